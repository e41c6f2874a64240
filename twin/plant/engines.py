"""Inference engines: the queue, the batch and the latency of every replica that serves a model.

An engine takes requests from its queue while its batch has room, reads their prompts (prefill)
and gives each request of the batch a token a step (decode): continuous batching (Yu et al. 2022,
Orca). Prefill and decode share the GPUs, so each waits for the other. Requests come as the job's
load says and are spread over the servers that are up: a lost server or a slow clock lengthens
the queues of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from math import ceil

import numpy as np
from numpy.typing import NDArray

from twin.catalog import ENGINE, FINISHED_REASONS
from twin.plant.engine_histograms import EngineHistograms
from twin.plant.engine_table import EngineTable
from twin.plant.gpu import Gpus
from twin.plant.host import HostStates
from twin.plant.units import Floats, lag
from twin.plant.workload import ServedLoad
from twin.site import JobPlace, Layout

__all__ = ["InferenceEngines"]

_LONGEST_STEP = 1.0
_PREFILL_MOST = 0.9
"""Share of the time that prefill may take, est.: running requests go first."""
_LEAST_CLOCK, _LEAST_RATE = 1e-2, 1e-6
_PARTS = 8
"""Observations that stand for the token times of a second."""
_STEP_SPREAD = 0.05
"""Spread of the duration of an engine's steps, est."""
_QUEUE_SECONDS = 3.0
"""Time constant of the time in the queue that is observed."""
_COUNTERS = ("prompt_tokens", "generation_tokens", "preemptions",
             *(f"finished_{reason}" for reason in FINISHED_REASONS))  # fmt: skip

_STATES = ("running", "waiting", "_token_seconds", "_usage", "_rest", "_queued")
"""What serving changes, one value an engine."""
_Engines = NDArray[np.intp]


class InferenceEngines:
    """All engines of a site's serving jobs; arrays have one value an engine.

    Args:
        layout: the site.
        places: number of each job that serves, and where it runs.
        rng: source of all randomness.

    Attributes:
        running: requests in the batch.
        waiting: requests in the queue.
    """

    def __init__(
        self, layout: Layout, places: Sequence[tuple[int, JobPlace]], rng: np.random.Generator
    ) -> None:
        site = layout.site
        own = self._own = EngineTable.of(places)
        self._rng = rng
        self._shape = layout.shape(ENGINE)
        self._servers = (site.racks, site.servers_per_rack)
        self._gpus_per_server = site.server.gpus
        self._places = own.server * (self._shape[1] // site.servers_per_rack) + own.slot
        size = own.server.size
        self._all = np.arange(size)
        self._up = np.ones(size, dtype=np.bool_)
        self._there = np.ones(size, dtype=np.bool_)
        self._starting, self._usage, self._rest, self._queued = np.zeros((4, size))
        self.running, self.waiting = np.zeros((2, size))
        self._token_seconds = own.weights + 0.0
        self._counts = {name: np.zeros(size) for name in _COUNTERS}
        self._histograms = EngineHistograms(size)

    def step(
        self, loads: Sequence[ServedLoad], gpus: Gpus, hosts: HostStates | None, dt: float
    ) -> None:
        """Advance by ``dt`` seconds, after the GPUs have.

        Args:
            loads: of the jobs.
            gpus: of the site.
            hosts: state of the servers, None while all are well.
            dt: step in s.
        """
        able = self._able(gpus, hosts)
        for load in loads:
            if not load.sound:
                able[self._own.job == load.job] = False
            if load.held is not None:
                mine = np.flatnonzero(self._own.job == load.job)
                servers = self._own.server[mine] - self._own.server[mine[0]]
                self._there[mine] = load.held.reshape(-1)[servers]
        able &= self._there
        self._restart(able, dt)
        offered, clock = self._offered(loads), self._clock(gpus)
        parts = max(1, ceil(dt / _LONGEST_STEP - 1e-9))
        there = np.flatnonzero(self._there)
        if there.size == self._all.size:
            for _ in range(parts):
                self.serve(dt / parts, offered, clock)
            return
        some = self._of(there)
        for _ in range(parts):
            some.serve(dt / parts, offered[there], clock[there])
        for name in _STATES:
            getattr(self, name)[there] = getattr(some, name)
        done = vars(some)
        for name, count in self._counts.items():
            count[there] = done["_counts"][name]
        self._histograms.add(done["_histograms"], there)

    def _of(self, there: _Engines) -> InferenceEngines:
        """Return some of the engines as if there were no others, which then cost nothing."""
        some = copy(self)
        vars(some).update(
            {name: getattr(self, name)[there] for name in _STATES},
            _own=self._own.of_engines(there),
            _all=np.arange(there.size),
            _counts={name: count[there] for name, count in self._counts.items()},
            _histograms=EngineHistograms(there.size),
        )
        return some

    # -- hardware ---------------------------------------------------------------

    def _able(self, gpus: Gpus, hosts: HostStates | None) -> NDArray[np.bool_]:
        """Return the engines whose server has all its GPUs: it runs with all of them or not."""
        sound = gpus.attached & ~gpus.errors.failed
        servers = np.all(sound.reshape(-1, self._gpus_per_server), axis=1)
        if hosts is not None:
            servers &= hosts.up.reshape(-1)
        able: NDArray[np.bool_] = servers[self._own.server]
        return able

    def _clock(self, gpus: Gpus) -> Floats:
        """Return the clock of each engine's slowest GPU over the usual one."""
        own, clocks = self._own, gpus.clock.reshape(-1).astype(np.float64)
        slowest = np.ones(own.server.size)
        for number in range(int(own.gpus.max())):
            has = number < own.gpus
            slowest[has] = np.minimum(slowest[has], clocks[own.first_gpu[has] + number])
        return np.maximum(slowest, _LEAST_CLOCK)

    def _restart(self, able: NDArray[np.bool_], dt: float) -> None:
        """End engines that cannot run, and start those again that can."""
        lost = self._up & ~able
        if lost.any():
            for state in (self.running, self.waiting, self._usage, self._rest, self._queued,
                          *self._counts.values()):  # fmt: skip
                state[lost] = 0.0
            self._histograms.clear(lost)
        waits = able & ~self._up
        self._starting = np.where(waits, self._starting - dt, self._own.startup)
        self._up = able & (self._up | (self._starting <= 0.0))

    # -- requests ---------------------------------------------------------------

    def _offered(self, loads: Sequence[ServedLoad]) -> Floats:
        """Return the requests a second that come to each engine: those of its job, if it is up."""
        own, rate = self._own, np.zeros(self._all.size)
        for load in loads:
            mine = np.flatnonzero(own.job == load.job)
            wanted = load.ratio.reshape(-1)[own.server[mine] - own.server[mine[0]]]
            wanted = wanted * own.capacity[mine]
            left = np.where(self._up[mine], wanted, 0.0)
            rate[mine] = left * (wanted.sum() / max(float(left.sum()), _LEAST_RATE))
        return rate

    def serve(self, h: float, offered: Floats, clock: Floats) -> None:
        """Let ``h`` seconds of requests come, wait, be read and be answered."""
        own, rng = self._own, self._rng
        ended = np.minimum(1.0, h / (self._token_seconds * own.output))
        done = rng.binomial(self.running.astype(np.int64), ended)
        self.running -= done
        behind = self.waiting.copy()
        self.waiting += rng.poisson(offered * h)
        prefill = own.prefill / clock
        free = np.minimum(own.batch - self.running, _PREFILL_MOST * h / prefill)
        # A prompt that takes longer than the step is read all the same.
        admitted = np.minimum(self.waiting, np.maximum(np.floor(free + rng.random()), 0.0))
        rate = np.maximum(np.maximum(admitted, done) / h, _LEAST_RATE)
        self.running += admitted
        self.waiting -= admitted
        bored = np.floor(np.maximum(0.0, self.waiting - own.patience * rate))
        bored[self.running < own.batch] = 0.0
        self.waiting -= bored
        share = np.minimum(admitted * prefill / h, _PREFILL_MOST)
        decode = np.maximum(
            own.weights + self.running * own.cached, self.running * own.compute / clock
        )
        self._token_seconds = decode / (1.0 - share)
        self._usage = np.minimum(1.0, self.running / own.room)
        wait = np.minimum(behind / rate, own.patience)
        self._queued += lag(h, _QUEUE_SECONDS) * (wait - self._queued)
        self._counts["finished_abort"] += bored
        # Where the cache is full, a request that grows takes the blocks of the youngest.
        self._counts["preemptions"] += np.where(self._usage >= 1.0, admitted, 0.0)
        reading = prefill / (1.0 - share)
        self._begin(admitted, reading, decode)
        self._write(h, admitted, share, decode)
        self._end(np.repeat(self._all, done), reading)

    # -- observations -----------------------------------------------------------

    def _begin(self, admitted: Floats, reading: Floats, decode: Floats) -> None:
        """Observe the requests whose prompts were read."""
        own, rng = self._own, self._rng
        begun = np.repeat(self._all, admitted.astype(np.int64))
        prompts = self._lengths(own.prompt, own.prompt_spread, begun)
        self._counts["prompt_tokens"] += np.bincount(begun, prompts, self._all.size)
        queue = self._queued[begun] + rng.random(begun.size) * decode[begun]
        read = prompts / own.prompt[begun] * reading[begun] + decode[begun]
        self._histograms.observe("first_token", begun, queue + read)

    def _write(self, h: float, admitted: Floats, share: Floats, decode: Floats) -> None:
        """Count the tokens, and observe the time between them: longer in steps with a prompt."""
        rng, seconds = self._rng, self._token_seconds
        tokens = self.running * h / seconds + self._rest
        written = np.floor(tokens)
        self._rest = tokens - written
        self._counts["generation_tokens"] += written
        mixed = np.minimum(1.0, admitted / h * seconds)
        longer = decode + share * seconds / np.maximum(mixed, share + 1e-9)
        with_prompt = rng.binomial(written.astype(np.int64), mixed)
        engines = np.tile(self._all, _PARTS)
        for each, count in (decode, written - with_prompt), (longer, with_prompt):
            share_of = np.full((_PARTS, count.size), count // _PARTS)
            share_of[0] += count % _PARTS
            noise = np.exp(_STEP_SPREAD * rng.standard_normal((_PARTS, count.size)))
            self._histograms.observe(
                "inter_token", engines, (each * noise).reshape(-1), share_of.reshape(-1)
            )

    def _end(self, ended: _Engines, reading: Floats) -> None:
        """Observe the requests that were answered, by engine."""
        own, rng, size = self._own, self._rng, self._all.size
        token = self._token_seconds[ended]
        prompts = self._lengths(own.prompt, own.prompt_spread, ended)
        answers = self._lengths(own.output, own.output_spread, ended)
        queue = self._queued[ended] + rng.random(ended.size) * token
        read = prompts / own.prompt[ended] * reading[ended] + token
        write = (answers - 1.0) * token
        at_limit = rng.random(ended.size) < own.length_ratio[ended]
        self._counts["finished_length"] += np.bincount(ended, at_limit, size)
        self._counts["finished_stop"] += np.bincount(ended, ~at_limit, size)
        for name, values in (
            ("queue_time", queue),
            ("prefill_time", read),
            ("decode_time", write),
            ("inference_time", read + write),
            ("end_to_end", queue + read + write),
            ("per_output_token", np.where(answers > 1.0, token, 0.0)),
            ("prompt_length", prompts),
            ("answer_length", answers),
        ):
            self._histograms.observe(name, ended, values)

    def _lengths(self, mean: Floats, spread: Floats, engines: _Engines) -> Floats:
        """Return lengths of requests in whole tokens, lognormal around a mean."""
        sigma = spread[engines]
        scale = mean[engines] * np.exp(-(sigma**2) / 2.0)
        length: Floats = np.maximum(
            1.0, np.rint(scale * np.exp(sigma * self._rng.standard_normal(engines.size)))
        )
        return length

    # -- what is exposed ----------------------------------------------------------

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's inference classes, NaN where none answers."""
        values = {
            "running": self.running,
            "waiting": self.waiting,
            "kv_cache_usage": self._usage,
            "prefix_queries": self._counts["prompt_tokens"],
            "prefix_hits": np.zeros(self._all.size),
            **self._counts,
            **self._histograms.outputs(),
        }
        up = np.full(self._servers, np.nan)
        up.reshape(-1)[self._own.server] = np.where(self._there, self._up, np.nan)
        return {
            "engine": {name: self._placed(own) for name, own in values.items()},
            "inference_server": {"up_vllm": up},
        }

    def _placed(self, values: Floats) -> Floats:
        """Return the values of all engines at their places on the site, (racks, engines a rack)."""
        placed = np.full(self._shape, np.nan)
        placed.reshape(-1)[self._places] = np.where(self._up, values, np.nan)
        return placed
