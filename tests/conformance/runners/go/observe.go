package main

// What a case that is observed answers too: the figures, and the log's records.

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// observed is what is seen of a case; nil where it is not observed.
type observed struct {
	Stats  map[string]float64 `json:"stats"`
	Events []event            `json:"events"`

	mu   sync.Mutex
	logs *imtag.Log
}

type event struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields"`
}

func observe() *observed {
	o := &observed{Stats: map[string]float64{}, Events: []event{}}
	logs, err := imtag.LogTo(slog.New(o))
	if err != nil {
		giveUp(err)
	}
	o.logs = logs
	return o
}

// take takes the figures of a client, a batcher or a bulk run.
func (o *observed) take(stats imtag.Stats) {
	if o == nil {
		return
	}
	for _, figure := range stats.Figures() {
		var labels []string
		for name, value := range figure.Labels {
			labels = append(labels, fmt.Sprintf("%s=%q", name, value))
		}
		sort.Strings(labels) // operation before outcome
		name := figure.Name
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		o.Stats[name] = figure.Value
	}
}

// end waits until all sessions are over, and has all records. A batcher is over when it is garbage.
func (o *observed) end() {
	for deadline := time.Now().Add(20 * time.Second); o.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			giveUp(fmt.Errorf("%d sessions do not end", o.open()))
		}
		runtime.GC()
	}
	if err := o.logs.Close(); err != nil {
		giveUp(err)
	}
}

// open counts the sessions that have begun and not ended.
func (o *observed) open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := 0
	for _, event := range o.Events {
		switch event.Message {
		case "session began":
			open++
		case "session ended":
			open--
		}
	}
	return open
}

func (o *observed) Enabled(context.Context, slog.Level) bool { return true }
func (o *observed) WithAttrs([]slog.Attr) slog.Handler       { return o }
func (o *observed) WithGroup(string) slog.Handler            { return o }

func (o *observed) Handle(_ context.Context, record slog.Record) error {
	level := strings.ToLower(record.Level.String())
	if record.Level == imtag.LevelTrace {
		level = "trace"
	}
	fields := map[string]any{}
	record.Attrs(func(attr slog.Attr) bool {
		fields[attr.Key] = attr.Value.Any()
		return true
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Events = append(o.Events, event{level, record.Message, fields})
	return nil
}
