package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"igor/bench/peers/internal/measure"
)

// peer is asynq with many tasks that do nothing, or with one that enqueues the next.
type peer struct {
	redis *store
	set   knobs
	tasks int
	chain bool

	client  *asynq.Client
	servers []*asynq.Server
	worked  atomic.Int64
}

func (p *peer) Prepare(ctx context.Context) error {
	if err := p.redis.client.FlushDB(ctx).Err(); err != nil {
		return err
	}
	p.worked.Store(0)
	p.client = asynq.NewClient(p.redis.options)
	p.servers = nil
	for range p.set.Servers {
		server := asynq.NewServer(p.redis.options, asynq.Config{
			Concurrency:       p.set.Concurrency,
			TaskCheckInterval: p.set.Check,
			LogLevel:          asynq.ErrorLevel,
		})
		if err := server.Start(asynq.HandlerFunc(p.work)); err != nil {
			return err
		}
		p.servers = append(p.servers, server)
	}
	return nil
}

func (p *peer) work(ctx context.Context, task *asynq.Task) error {
	p.worked.Add(1)
	if !p.chain {
		return nil
	}
	left, err := strconv.Atoi(string(task.Payload()))
	if err != nil || left <= 1 {
		return err
	}
	return p.enqueueStep(ctx, left-1)
}

func (p *peer) enqueueStep(ctx context.Context, left int) error {
	_, err := p.client.EnqueueContext(ctx, asynq.NewTask("step", []byte(strconv.Itoa(left))))
	return err
}

func (p *peer) Round(ctx context.Context) error {
	enqueue := p.enqueue
	if p.chain {
		enqueue = func(ctx context.Context) error { return p.enqueueStep(ctx, p.tasks) }
	}
	if err := enqueue(ctx); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return measure.Until(ctx, func() (bool, error) {
		if p.worked.Load() < int64(p.tasks) {
			return false, nil
		}
		// What the handler is through with is active until asynq has noted its end.
		left, err := p.redis.client.Exists(ctx, "asynq:{default}:active", "asynq:{default}:pending").Result()
		return left == 0, err
	})
}

func (p *peer) enqueue(ctx context.Context) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range p.set.Inserters {
		group.Go(func() error {
			for next.Add(1) <= int64(p.tasks) {
				if _, err := p.client.EnqueueContext(ctx, asynq.NewTask("noop", nil)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *peer) Finish(ctx context.Context) error {
	for _, server := range p.servers {
		server.Shutdown()
	}
	failed, err := p.redis.client.Exists(ctx, "asynq:{default}:retry", "asynq:{default}:archived").Result()
	if err == nil && (failed > 0 || p.worked.Load() != int64(p.tasks)) {
		err = fmt.Errorf("%d of %d tasks worked, or some failed", p.worked.Load(), p.tasks)
	}
	return err
}
