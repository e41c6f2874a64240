#!/bin/sh
# Run $PROGRAM with every flag -name=file:///path given what that file holds.
for flag; do
  shift
  case $flag in
    *=file://*) flag=${flag%%=*}=$(cat "${flag#*=file://}") ;;
  esac
  set -- "$@" "$flag"
done
exec "$PROGRAM" "$@"
