// asynq (Go, Redis) on tasks that do nothing: how long until the last of them has left its queue.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"igor/bench/peers/internal/measure"
)

// knobs are asynq's settings that matter for speed.
type knobs struct {
	Servers     int           // asynq servers in this program; each takes tasks one by one.
	Concurrency int           // Of a server.
	Check       time.Duration // TaskCheckInterval: how often an idle server looks.
	Inserters   int           // Goroutines that enqueue; asynq has no call for many at once.
	Connections int           // Of a pool; 0 = the client's own number.
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
	// 10 workers is the number of asynq's own first example; the rest are its defaults.
	set := knobs{Servers: 1, Concurrency: 10, Check: time.Second, Inserters: 1}
	if settings.Tuned {
		set = knobs{Servers: 2, Concurrency: 32, Check: 2 * time.Millisecond, Inserters: 8, Connections: 64}
	}
	store, err := connect(ctx, os.Getenv("IGOR_TEST_REDIS_URL"), set.Connections)
	if err != nil {
		return err
	}
	defer store.drop()
	peer := &peer{redis: store, set: set, tasks: settings.Tasks, chain: settings.Chain}
	return measure.Run(ctx, settings, peer, "asynq", "github.com/hibiken/asynq", set.words(), []string{
		"order between groups of tasks",
		"history: a task's record is deleted at its end, unless it is told to keep it for a while",
		"results, unless a handler writes one and the task's record is kept",
		"durability beyond what Redis saves, which is nothing here",
	})
}

func (k knobs) words() map[string]any {
	return map[string]any{
		"servers": k.Servers, "Concurrency": k.Concurrency, "TaskCheckInterval": k.Check.String(), "inserters": k.Inserters,
	}
}

// store is a database of the rig's Redis that was empty, and is emptied at the end.
type store struct {
	options asynq.RedisClientOpt
	client  *redis.Client
}

// number of the database: the last of the sixteen that Redis has by itself; Igor's tests use the first.
const number = 15

func connect(ctx context.Context, url string, connections int) (*store, error) {
	if url == "" {
		return nil, errors.New("IGOR_TEST_REDIS_URL is not set: run this by bench/peers/run")
	}
	parsed, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	parsed.DB, parsed.PoolSize = number, connections
	client := redis.NewClient(parsed)
	if keys, err := client.DBSize(ctx).Result(); err != nil || keys > 0 {
		return nil, fmt.Errorf("database %d of Redis is not empty or not there: %d keys, %w", number, keys, err)
	}
	options := asynq.RedisClientOpt{Addr: parsed.Addr, Username: parsed.Username, Password: parsed.Password, DB: number, PoolSize: connections}
	return &store{options: options, client: client}, nil
}

func (s *store) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.client.FlushDB(ctx).Err(); err != nil {
		fmt.Fprintln(os.Stderr, "database", number, "of Redis is not emptied:", err)
	}
	_ = s.client.Close()
}
