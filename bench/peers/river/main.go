// River (Go, Postgres) on tasks that do nothing: how long until the last of them is durably completed.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/riverqueue/river"

	"igor/bench/peers/internal/measure"
)

// knobs are River's settings that matter for speed.
type knobs struct {
	Workers     int           // MaxWorkers of the queue.
	Cooldown    time.Duration // FetchCooldown: at least so long from one fetch to the next.
	Poll        time.Duration // FetchPollInterval: a look without a notification.
	InsertBatch int           // Jobs in one call.
	CopyIn      bool          // InsertManyFast (COPY) instead of InsertMany.
	Inserters   int           // Goroutines that insert.
	Connections int           // Of the pool; 0 = pgx's own number.
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	settings := measure.Flags()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	database, err := makeDatabase(ctx, os.Getenv("IGOR_TEST_DATABASE_URL"))
	if err != nil {
		return err
	}
	defer database.drop()
	// 100 workers is the number of River's own first example; the rest are its defaults.
	set := knobs{Workers: 100, Cooldown: river.FetchCooldownDefault, Poll: river.FetchPollIntervalDefault, InsertBatch: 1000, Inserters: 1}
	if settings.Tuned {
		set = knobs{Workers: 2000, Cooldown: 2 * time.Millisecond, Poll: 20 * time.Millisecond, InsertBatch: 5000, CopyIn: true, Inserters: 1, Connections: 10}
	}
	peer := measure.Peer(&flat{database: database, set: set, tasks: settings.Tasks})
	if settings.Chain {
		peer = &chain{database: database, set: set, steps: settings.Tasks}
	}
	return measure.Run(ctx, settings, peer, "river", "github.com/riverqueue/river", set.words(), []string{
		"order between groups of tasks",
		"history: a job's row is changed in place, and deleted a day after its end",
		"results, unless a handler records them into its job's row",
	})
}

func (k knobs) words() map[string]any {
	return map[string]any{
		"MaxWorkers": k.Workers, "FetchCooldown": k.Cooldown.String(), "FetchPollInterval": k.Poll.String(),
		"jobs an insert": k.InsertBatch, "InsertManyFast": k.CopyIn, "inserters": k.Inserters, "synchronous_commit": "on",
	}
}
