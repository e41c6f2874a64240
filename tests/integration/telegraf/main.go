// Reads one BMC by Telegraf's inputs.redfish, as it is shipped, and prints a line of JSON for each
// metric: ADDRESS USER PASSWORD SYSTEM CA.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/common/tls"
	"github.com/influxdata/telegraf/plugins/inputs/redfish"
	"github.com/influxdata/telegraf/testutil"
)

func main() {
	arguments := os.Args[1:]
	input := &redfish.Redfish{
		Address:          arguments[0],
		Username:         config.NewSecret([]byte(arguments[1])),
		Password:         config.NewSecret([]byte(arguments[2])),
		ComputerSystemID: arguments[3],
		IncludeMetrics:   []string{"power", "thermal"},
		IncludeTagSets:   []string{"chassis"},
		Timeout:          config.Duration(60 * time.Second),
		ClientConfig:     tls.ClientConfig{TLSCA: arguments[4]},
	}
	if err := input.Init(); err != nil {
		log.Fatal(err)
	}
	found := &testutil.Accumulator{}
	if err := input.Gather(found); err != nil {
		log.Fatal(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for _, metric := range found.Metrics {
		line := map[string]any{"name": metric.Measurement, "tags": metric.Tags, "fields": metric.Fields}
		if err := lines.Encode(line); err != nil {
			log.Fatal(err)
		}
	}
}
