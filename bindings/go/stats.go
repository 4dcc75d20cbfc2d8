package imtag

// #include <imtag.h>
import "C"

import (
	"math"
	"runtime"
	"strings"
	"sync"
)

// Figure is one number of a snapshot, as a monitoring system takes it.
type Figure struct {
	Name      string            // as Prometheus has it: imtag_calls_total
	Help      string            // what it counts, in a sentence
	IsCounter bool              // it only grows; else it is a gauge
	Labels    map[string]string // what tells it from others of its name: operation, outcome
	Value     float64           // times are in seconds
}

// Stats has the figures of a client, a batcher or a bulk run, as they were when they were asked for. Names and labels stay,
// and new figures may come with any version: docs/observing.md lists those of today.
type Stats struct {
	figures []Figure
	text    string
}

// Figures returns them all; those of one name stand together.
func (s Stats) Figures() []Figure { return append([]Figure(nil), s.figures...) }

// Get returns the number of the figure with this name and these labels, and without labels the sum of all with this name:
//
//	stats.Get("imtag_calls_total", map[string]string{"operation": "add", "outcome": "done"})
//
// With some of its labels it is the sum of those that have them. NaN if there is none.
func (s Stats) Get(name string, labels map[string]string) float64 {
	sum, found := 0.0, false
	for _, figure := range s.figures {
		if figure.Name == name && figure.has(labels) {
			sum, found = sum+figure.Value, true
		}
	}
	if !found {
		return math.NaN()
	}
	return sum
}

func (f *Figure) has(labels map[string]string) bool {
	for name, value := range labels {
		if its, ok := f.Labels[name]; !ok || its != value {
			return false
		}
	}
	return true
}

// Text is all of them as text, in the form that Prometheus reads from a page.
func (s Stats) Text() string { return s.text }

// Stats returns the figures of a client in this process: calls by operation and outcome, attempts, waits for the quota,
// connections, UserSigs, outages. It may be called at any time. A closed client has none.
func (c *Client) Stats() Stats {
	core := c.shared()
	client, err := core.acquire()
	if err != nil {
		return Stats{}
	}
	defer core.release()
	return statsOf(func(stats **C.im_stats) { C.im_client_stats(client, stats, nil) })
}

// Stats returns the figures of a batcher: its changes, requests and attempts, how many changes wait, and how old the oldest
// is. It may be called at any time, also when the batcher is closed.
func (b *Batcher) Stats() Stats {
	defer runtime.KeepAlive(b) // else it may be closed meanwhile
	s := b.shared()
	if !s.acquire() {
		return Stats{}
	}
	defer s.running.Done()
	return statsOf(func(stats **C.im_stats) { C.im_batcher_stats(s.handle, stats, nil) })
}

// Stats returns the figures of a run, those of a batcher. Any goroutine may call it, also while the run is under way. There
// are none before it runs; when it has ended, they are those of its end.
func (r *BulkRun) Stats() Stats { return r.figures.stats() }

// runFigures is what goroutines other than the run's may read of it.
type runFigures struct {
	mu     sync.Mutex
	handle *C.im_bulk // nil unless it runs
	last   Stats
}

func (f *runFigures) begin(handle *C.im_bulk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = handle
}

// end keeps the figures, so that the handle can be freed.
func (f *runFigures) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = f.read()
	f.handle = nil
}

func (f *runFigures) stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read()
}

// read reads them, with f.mu held.
func (f *runFigures) read() Stats {
	if f.handle == nil {
		return f.last
	}
	return statsOf(func(stats **C.im_stats) { C.im_bulk_stats(f.handle, stats, nil) })
}

// statsOf copies the figures that C gives, and frees them.
func statsOf(read func(stats **C.im_stats)) Stats {
	var stats *C.im_stats
	read(&stats)
	defer C.im_stats_free(stats)
	figures := make([]Figure, C.im_stats_count(stats))
	for i := range figures {
		at := C.size_t(i)
		figures[i] = Figure{
			Name:      C.GoString(C.im_stats_name(stats, at)),
			Help:      C.GoString(C.im_stats_help(stats, at)),
			IsCounter: bool(C.im_stats_is_counter(stats, at)),
			Labels:    labelsOf(C.GoString(C.im_stats_labels(stats, at))),
			Value:     float64(C.im_stats_value(stats, at)),
		}
	}
	return Stats{figures, C.GoString(C.im_stats_text(stats))}
}

// labelsOf reads labels as Prometheus has them. Names and values are of small letters and _.
func labelsOf(text string) map[string]string {
	labels := make(map[string]string)
	for _, label := range strings.Split(text, ",") {
		if name, value, found := strings.Cut(label, "="); found {
			labels[name] = strings.Trim(value, `"`)
		}
	}
	return labels
}
