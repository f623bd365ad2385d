// Package measure is what the peers share: their flags, the clock and CPU of a round, and the line of JSON at the end.
package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings say what is measured.
type Settings struct {
	Tuned   bool
	Chain   bool           // One task makes the next, instead of many that lie there.
	Tasks   int            // Of a round; for a chain its steps.
	Rounds  int            // The one of median time is reported.
	Servers map[string]int // Process numbers by name.
}

// Flags reads the settings from the command line.
func Flags() Settings {
	s := Settings{Servers: map[string]int{}}
	flag.BoolVar(&s.Tuned, "tuned", false, "use the fast settings instead of those of the peer's first example")
	flag.BoolVar(&s.Chain, "chain", false, "each task makes the next one: the steps of a workflow, chained by hand")
	flag.IntVar(&s.Tasks, "tasks", 10_000, "tasks of a round; with -chain, steps")
	flag.IntVar(&s.Rounds, "rounds", 3, "rounds; the one of median time is printed")
	flag.Func("server", "NAME=PID, a server whose CPU is measured; may be repeated", func(text string) error {
		name, number, _ := strings.Cut(text, "=")
		pid, err := strconv.Atoi(number)
		s.Servers[name] = pid
		return err
	})
	flag.Parse()
	return s
}

// Peer is a system under measurement.
type Peer interface {
	// Prepare makes the next round start from empty stores, with workers running.
	Prepare(ctx context.Context) error
	// Round hands in the tasks and returns when the last is done for good.
	Round(ctx context.Context) error
	// Finish stops the workers of the round.
	Finish(ctx context.Context) error
}

// Line is what a peer prints. The load is the machine's over a minute, before and after.
type Line struct {
	Peer       string             `json:"peer"`
	Version    string             `json:"version"`
	Mode       string             `json:"mode"`
	Shape      string             `json:"shape"`
	Tasks      int                `json:"tasks"`
	Seconds    float64            `json:"seconds"`
	PerSecond  float64            `json:"per_second"`
	CPUSeconds map[string]float64 `json:"cpu_seconds"`
	Rounds     []float64          `json:"rounds"`
	Load       []float64          `json:"load"`
	Knobs      map[string]any     `json:"knobs"`
	Lacks      []string           `json:"lacks"`
}

type round struct {
	seconds float64
	cpu     map[string]float64
}

// Run measures the rounds and prints the line; name and module are the peer's.
func Run(ctx context.Context, s Settings, peer Peer, name, module string, knobs map[string]any, lacks []string) error {
	var rounds []round
	loads := []float64{load()}
	for range s.Rounds {
		one, err := measured(ctx, s, peer)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rounds = append(rounds, one)
	}
	line := Line{Peer: name, Version: version(module), Mode: "default", Shape: "flat", Tasks: s.Tasks, Knobs: knobs, Lacks: lacks}
	if s.Tuned {
		line.Mode = "tuned"
	}
	if s.Chain {
		line.Shape = "chain"
	}
	for _, one := range rounds {
		line.Rounds = append(line.Rounds, rounded(one.seconds))
	}
	slices.SortFunc(rounds, func(a, b round) int { return cmp.Compare(a.seconds, b.seconds) })
	median := rounds[len(rounds)/2]
	line.Seconds = rounded(median.seconds)
	line.PerSecond = math.Round(float64(s.Tasks) / median.seconds)
	line.CPUSeconds = median.cpu
	line.Load = append(loads, load())
	return json.NewEncoder(os.Stdout).Encode(line)
}

func measured(ctx context.Context, s Settings, peer Peer) (round, error) {
	if err := peer.Prepare(ctx); err != nil {
		return round{}, fmt.Errorf("prepare: %w", err)
	}
	before, err := CPU(s.Servers)
	if err != nil {
		return round{}, err
	}
	start := time.Now()
	if err := peer.Round(ctx); err != nil {
		return round{}, fmt.Errorf("round: %w", err)
	}
	seconds := time.Since(start).Seconds()
	after, err := CPU(s.Servers)
	if err != nil {
		return round{}, err
	}
	used := map[string]float64{}
	for name, seconds := range after {
		used[name] = rounded(seconds - before[name])
	}
	return round{seconds: seconds, cpu: used}, peer.Finish(ctx)
}

// Until asks every few milliseconds, until done says yes or the context ends.
func Until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := done(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func rounded(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "unknown"
}
