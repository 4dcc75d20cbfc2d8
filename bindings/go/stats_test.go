package imtag_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type labels = map[string]string

func TestTheStatsOfAClientCountCallsAttemptsAndConnections(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	none := client.Stats()
	equal(t, "calls before", none.Get("imtag_calls_total", nil), 0.0)
	e.fault(t, "add", `{"kind": "code", "code": 91000}`)
	for range 2 {
		result, err := client.AddTag(background, user("u", "a"))
		succeeds(t, result, err)
	}
	e.fault(t, "add", `{"kind": "leave_out", "accounts": ["u"], "code": 70107}`)
	_, err := client.AddTag(background, user("u", "a"))
	failed(t, err, imtag.StatusPartial)
	_, err = client.GetTag(background, []string{"u"})
	equal(t, "error", err, nil)
	stats := client.Stats()
	for _, it := range []struct {
		name   string
		labels labels
		want   float64
	}{
		{"imtag_calls_total", labels{"operation": "add", "outcome": "done"}, 2},
		{"imtag_calls_total", labels{"operation": "add", "outcome": "partial"}, 1},
		{"imtag_calls_total", labels{"operation": "add"}, 3},
		{"imtag_calls_total", labels{"operation": "get", "outcome": "done"}, 1},
		{"imtag_calls_total", nil, 4},
		{"imtag_attempts_total", labels{"operation": "add"}, 4},
		{"imtag_attempts_sent_total", labels{"operation": "add"}, 4},
		{"imtag_calls_in_flight", nil, 0},
		{"imtag_connections_opened_total", nil, 1},
		{"imtag_connections_reused_total", nil, 4},
		{"imtag_usersigs_total", nil, 1},
		{"imtag_in_outage", nil, 0},
	} {
		equal(t, fmt.Sprint(it.name, it.labels), stats.Get(it.name, it.labels), it.want)
	}
	for _, missing := range []float64{
		stats.Get("imtag_nothing", nil),
		stats.Get("imtag_calls_total", labels{"outcome": "none"}),
		stats.Get("imtag_usersigs_total", labels{"operation": ""}),
	} {
		equal(t, "not a number", math.IsNaN(missing), true)
	}
	equal(t, "the first ones do not change", none.Get("imtag_calls_total", nil), 0.0)
}

func TestFiguresAreThoseOfTheText(t *testing.T) {
	t.Parallel()
	stats := newEmulator(t).client(t).Stats()
	var text strings.Builder
	before := ""
	for _, figure := range stats.Figures() {
		if figure.Name != before {
			kind := "gauge"
			if figure.IsCounter {
				kind = "counter"
			}
			fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", figure.Name, figure.Help, kind)
			before = figure.Name
		}
		var its []string
		for _, name := range []string{"operation", "outcome"} {
			if value, ok := figure.Labels[name]; ok {
				its = append(its, fmt.Sprintf("%s=%q", name, value))
			}
		}
		equal(t, "all labels are known", len(its), len(figure.Labels))
		shown := strings.Join(its, ",")
		if shown != "" {
			shown = "{" + shown + "}"
		}
		fmt.Fprintf(&text, "%s%s %v\n", figure.Name, shown, figure.Value)
	}
	equal(t, "text", stats.Text(), text.String())
	equal(t, "figures", len(stats.Figures()) > 50, true)
	stats.Figures()[0].Name = "changed"
	equal(t, "the caller's copy is its own", stats.Text(), text.String())
	equal(t, "name", stats.Figures()[0].Name != "changed", true)
}

func TestAClientOrBatcherThatIsNoneHasNoFigures(t *testing.T) {
	t.Parallel()
	client := newEmulator(t).client(t)
	client.Close()
	var noClient *imtag.Client
	var noBatcher *imtag.Batcher
	for what, stats := range map[string]imtag.Stats{
		"closed client": client.Stats(),
		"nil client":    noClient.Stats(),
		"nil batcher":   noBatcher.Stats(),
		"zero batcher":  new(imtag.Batcher).Stats(),
	} {
		equal(t, what, [2]any{len(stats.Figures()), stats.Text()}, [2]any{0, ""})
	}
}

func TestTheStatsOfABatcherCountItsChangesAlsoWhenItIsClosed(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{Linger: time.Hour})
	first := batcher.Submit(background, imtag.Add("u", "a"))
	second := batcher.Submit(background, imtag.Add("v", "a"))
	waiting := batcher.Stats()
	equal(t, "taken", waiting.Get("imtag_batcher_changes_taken_total", nil), 2.0)
	equal(t, "unsettled", waiting.Get("imtag_batcher_unsettled", nil), 2.0)
	batcher.Close()
	equal(t, "outcomes", [2]error{<-first, <-second}, [2]error{})
	closed := batcher.Stats()
	for name, want := range map[string]float64{
		"imtag_batcher_changes_done_total":  2,
		"imtag_batcher_unsettled":           0,
		"imtag_batcher_requests_total":      1,
		"imtag_batcher_request_users_total": 2,
	} {
		equal(t, name, closed.Get(name, nil), want)
	}
}

func TestTheStatsOfABulkRunAreReadByAnyGoroutineBeforeDuringAndAfterIt(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	run := client.NewBulkRun(background, imtag.Changes(adds(5_000)...), imtag.BulkOptions{})
	equal(t, "before", len(run.Stats().Figures()), 0)
	over, seen := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			select {
			case <-over:
				seen <- most
				return
			default:
				if taken := run.Stats().Get("imtag_bulk_changes_taken_total", nil); taken > most {
					most = taken
				}
			}
		}
	}()
	during := 0.0
	run.Outcomes(func(imtag.Outcome) bool {
		if during == 0 {
			during = run.Stats().Get("imtag_bulk_changes_done_total", nil)
		}
		return true
	})
	close(over)
	summary, err := run.Finish()
	equal(t, "error", err, nil)
	if most := <-seen; most == 0 || during == 0 {
		t.Errorf("%v taken was the most that was seen, %v done", most, during)
	}
	after := run.Stats()
	for name, want := range map[string]int{
		"imtag_bulk_changes_taken_total": 5_000,
		"imtag_bulk_changes_done_total":  5_000,
		"imtag_bulk_requests_total":      summary.Requests,
		"imtag_bulk_attempts_total":      summary.Attempts,
		"imtag_bulk_unsettled":           0,
	} {
		equal(t, name, after.Get(name, nil), float64(want))
	}
}
