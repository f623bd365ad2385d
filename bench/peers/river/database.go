package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// database is River's own, made on the rig's server and dropped at the end.
type database struct {
	admin *pgx.ConnConfig
	name  string
	url   *pgxpool.Config
}

func makeDatabase(ctx context.Context, server string) (*database, error) {
	if server == "" {
		return nil, errors.New("IGOR_TEST_DATABASE_URL is not set: run this by bench/peers/run")
	}
	url, err := pgxpool.ParseConfig(server)
	if err != nil {
		return nil, err
	}
	d := &database{admin: url.ConnConfig.Copy(), name: fmt.Sprintf("bench_river_%d", os.Getpid()), url: url}
	url.ConnConfig.Database = d.name
	if err := d.ask(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, url)
	if err != nil {
		return d, err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return d, err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return d, err
}

func (d *database) ask(ctx context.Context, statement string) error {
	connection, err := pgx.ConnectConfig(ctx, d.admin)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	_, err = connection.Exec(ctx, statement)
	return err
}

func (d *database) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.ask(ctx, "DROP DATABASE "+d.name+" WITH (FORCE)"); err != nil {
		fmt.Fprintln(os.Stderr, "the database", d.name, "is left behind:", err)
	}
}

// open gives a pool on an empty table of jobs.
func (d *database) open(ctx context.Context, connections int) (*pgxpool.Pool, error) {
	settings := d.url.Copy()
	if connections > 0 {
		settings.MaxConns = int32(connections)
	}
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, "TRUNCATE river_job")
	return pool, err
}

// quiet says only what went wrong.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

// begin starts a client that works by these settings.
func begin(ctx context.Context, pool *pgxpool.Pool, set knobs, workers *river.Workers) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     set.Cooldown,
		FetchPollInterval: set.Poll,
		Logger:            quiet,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: set.Workers}},
		Workers:           workers,
	})
	if err != nil {
		return nil, err
	}
	return client, client.Start(ctx)
}

// completed makes sure that a round did what its time is for.
func completed(ctx context.Context, pool *pgxpool.Pool, jobs int) error {
	var found int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state = 'completed'").Scan(&found); err != nil {
		return err
	}
	if found != jobs {
		return fmt.Errorf("%d of %d jobs are completed", found, jobs)
	}
	return nil
}
