package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

type step struct {
	Left int `json:"left"`
}

func (step) Kind() string { return "step" }

// chain is a workflow by hand: each job inserts the next in the transaction that completes it.
type chain struct {
	database *database
	set      knobs
	steps    int

	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
	last   chan struct{}
}

func (c *chain) Prepare(ctx context.Context) (err error) {
	if c.pool, err = c.database.open(ctx, c.set.Connections); err != nil {
		return err
	}
	c.last = make(chan struct{}, 1)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(c.work))
	c.client, err = begin(ctx, c.pool, c.set, workers)
	return err
}

func (c *chain) work(ctx context.Context, job *river.Job[step]) error {
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if job.Args.Left > 1 {
		if _, err := c.client.InsertTx(ctx, tx, step{Left: job.Args.Left - 1}, nil); err != nil {
			return err
		}
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if job.Args.Left == 1 {
		c.last <- struct{}{}
	}
	return nil
}

func (c *chain) Round(ctx context.Context) error {
	if _, err := c.client.Insert(ctx, step{Left: c.steps}, nil); err != nil {
		return err
	}
	select {
	case <-c.last:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *chain) Finish(ctx context.Context) error {
	defer c.pool.Close()
	if err := c.client.Stop(ctx); err != nil {
		return err
	}
	return completed(ctx, c.pool, c.steps)
}
