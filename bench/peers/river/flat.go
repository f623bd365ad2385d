package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"igor/bench/peers/internal/measure"
)

type noop struct{}

func (noop) Kind() string { return "noop" }

// flat is many jobs that do nothing.
type flat struct {
	database *database
	set      knobs
	tasks    int

	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
	worked atomic.Int64
}

func (f *flat) Prepare(ctx context.Context) (err error) {
	f.worked.Store(0)
	if f.pool, err = f.database.open(ctx, f.set.Connections); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[noop]) error {
		f.worked.Add(1)
		return nil
	}))
	f.client, err = begin(ctx, f.pool, f.set, workers)
	return err
}

func (f *flat) Round(ctx context.Context) error {
	if err := f.insert(ctx); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return measure.Until(ctx, func() (bool, error) {
		// A handler that returned is not yet a job completed, but before the last one did there is nothing to ask for.
		if f.worked.Load() < int64(f.tasks) {
			return false, nil
		}
		var done bool
		err := f.pool.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM river_job WHERE state IN ('available', 'running', 'retryable'))").Scan(&done)
		return done, err
	})
}

func (f *flat) insert(ctx context.Context) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range f.set.Inserters {
		group.Go(func() error {
			for {
				end := int(next.Add(int64(f.set.InsertBatch)))
				from := end - f.set.InsertBatch
				if from >= f.tasks {
					return nil
				}
				if err := f.insertBatch(ctx, min(end, f.tasks)-from); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

func (f *flat) insertBatch(ctx context.Context, jobs int) error {
	batch := make([]river.InsertManyParams, jobs)
	for i := range batch {
		batch[i].Args = noop{}
	}
	if f.set.CopyIn {
		_, err := f.client.InsertManyFast(ctx, batch)
		return err
	}
	_, err := f.client.InsertMany(ctx, batch)
	return err
}

func (f *flat) Finish(ctx context.Context) error {
	defer f.pool.Close()
	if err := f.client.Stop(ctx); err != nil {
		return err
	}
	return completed(ctx, f.pool, f.tasks)
}
