package imtag_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// The tests of logs are not parallel: a log has what all clients of the process do.

// listener keeps the records that it gets, and does with each what the test says.
type listener struct {
	level slog.Level
	do    func(slog.Record)

	mu      sync.Mutex
	records []slog.Record
}

func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l *listener) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *listener) WithGroup(string) slog.Handler                    { return l }

func (l *listener) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	l.records = append(l.records, record)
	l.mu.Unlock()
	if l.do != nil {
		l.do(record)
	}
	return errors.New("which slog does not look at either")
}

func (l *listener) named(message string) []slog.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var named []slog.Record
	for _, record := range l.records {
		if record.Message == message {
			named = append(named, record)
		}
	}
	return named
}

func logTo(t testing.TB, l *listener) *imtag.Log {
	t.Helper()
	logs, err := imtag.LogTo(slog.New(l))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(background, 20*time.Second)
		defer cancel()
		logs.Shutdown(ctx)
	})
	return logs
}

// attributes are those of a record, by name.
func attributes(record slog.Record) map[string]any {
	all := make(map[string]any)
	record.Attrs(func(attr slog.Attr) bool {
		all[attr.Key] = attr.Value.Any()
		return true
	})
	return all
}

func TestALogHasLevelTimeMessageAndTypedAttributesUntilItIsClosed(t *testing.T) {
	e := newEmulator(t)
	l := &listener{level: imtag.LevelTrace}
	logs := logTo(t, l)
	client := e.client(t)
	e.fault(t, "add", `{"kind": "code", "code": 91000}`)
	before := time.Now().Add(-time.Millisecond)
	result, err := client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	after := time.Now()
	equal(t, "closed", logs.Close(), nil)
	equal(t, "closed again", logs.Close(), nil)

	attempts := l.named("attempt ended")
	if len(attempts) != 2 {
		t.Fatalf("%d attempts in %v", len(attempts), l.records)
	}
	first := attributes(attempts[0])
	for name, want := range map[string]any{
		"operation": "add",
		"users":     int64(1),
		"attempt":   int64(1),
		"sent":      true,
		"cause":     "service",
		"code":      int64(91000),
		"host":      "127.0.0.1",
	} {
		equal(t, name, first[name], want)
	}
	if took, ok := first["duration_ms"].(float64); !ok || took <= 0 {
		t.Errorf("duration_ms: %v", first["duration_ms"])
	}
	for _, attempt := range attempts {
		equal(t, "level", attempt.Level, slog.LevelDebug)
		if attempt.Time.Before(before) || attempt.Time.After(after) {
			t.Errorf("%v is not between %v and %v", attempt.Time, before, after)
		}
	}
	if usersigs := l.named("new UserSig"); len(usersigs) != 1 || usersigs[0].Level != slog.LevelInfo {
		t.Errorf("got %v", usersigs)
	}
	result, err = client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	equal(t, "attempts after it is closed", len(l.named("attempt ended")), 2)
}

func TestALoggerGetsWhatItHasEnabled(t *testing.T) {
	e := newEmulator(t)
	all := map[slog.Level]*listener{}
	var logs []*imtag.Log
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 1} {
		all[level] = &listener{level: level}
		logs = append(logs, logTo(t, all[level]))
	}
	client := e.client(t)
	e.fault(t, "add", `{"kind": "code", "code": 60007}`)
	result, err := client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	for _, it := range logs {
		equal(t, "closed", it.Close(), nil)
	}
	for level, l := range all {
		for message, its := range map[string]slog.Level{
			"trying again":             slog.LevelDebug,
			"new UserSig":              slog.LevelInfo,
			"rejected as too frequent": slog.LevelWarn,
		} {
			equal(t, level.String()+" has "+message, len(l.named(message)) == 1, its >= level)
		}
	}
}

func TestACoarserLevelTakesEffectAtOnce(t *testing.T) {
	e := newEmulator(t)
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	var text strings.Builder
	logs, err := imtag.LogTo(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: level})))
	equal(t, "error", err, nil)
	level.Set(slog.LevelInfo)
	client := e.client(t)
	result, err := client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	equal(t, "closed", logs.Close(), nil)
	equal(t, "info", strings.Contains(text.String(), "new UserSig"), true)
	equal(t, "debug", strings.Contains(text.String(), "attempt ended"), false)
}

// fail makes calls that fail at once, each of which is a record.
func fail(t testing.TB, client *imtag.Client, calls int) {
	t.Helper()
	ctx, cancel := context.WithCancel(background)
	cancel()
	for range calls {
		_, err := client.AddTag(ctx, user("u", "a"))
		failed(t, err, imtag.StatusCancelled)
	}
}

func TestAHandlerThatPanicsOrEndsItsGoroutineLosesNoOtherRecord(t *testing.T) {
	e := newEmulator(t)
	client := e.client(t)
	handled := 0
	l := &listener{level: slog.LevelDebug, do: func(slog.Record) {
		handled++
		switch handled % 3 {
		case 1:
			panic("the handler's own")
		case 2:
			runtime.Goexit()
		}
	}}
	logs := logTo(t, l)
	before := runtime.NumGoroutine()
	fail(t, client, 9)
	err := logs.Close()
	equal(t, "records", len(l.named("call failed")), 9)
	if err == nil || err.Error() != "imtag: the handler of the log panicked 3 times, at first with: the handler's own" {
		t.Errorf("got %v", err)
	}
	noMoreGoroutines(t, before-1)
}

func TestAHandlerThatMakesCallsGetsNoRecordsOfThem(t *testing.T) {
	e := newEmulator(t)
	client := e.client(t)
	l := &listener{level: slog.LevelDebug}
	l.do = func(record slog.Record) {
		result, err := client.GetTag(background, []string{"u"})
		succeeds(t, result, err)
	}
	logs := logTo(t, l)
	result, err := client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	equal(t, "closed", logs.Close(), nil)
	attempts := l.named("attempt ended")
	equal(t, "attempts", len(attempts), 1)
	equal(t, "its operation", attributes(attempts[0])["operation"], any("add"))
	equal(t, "requests: the add, and a get for each record", e.arrivals(t), 1+len(l.records))
	// the thread is another's now, and its calls are in logs again
	next := &listener{level: slog.LevelDebug}
	again := logTo(t, next)
	var all sync.WaitGroup
	for range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			fail(t, client, 1)
		}()
	}
	all.Wait()
	equal(t, "closed", again.Close(), nil)
	equal(t, "records", len(next.named("call failed")), 50)
}

func TestALogThatIsClosedLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelError + 1} {
			logs, err := imtag.LogTo(slog.New(&listener{level: level}))
			equal(t, "error", err, nil)
			var all sync.WaitGroup
			for range 4 {
				all.Add(1)
				go func() {
					defer all.Done()
					equal(t, "closed", logs.Close(), nil)
				}()
			}
			all.Wait()
		}
	}
	noMoreGoroutines(t, before)
}

func TestALogNeedsALoggerAndANilOneIsClosed(t *testing.T) {
	logs, err := imtag.LogTo(nil)
	equal(t, "log", logs, (*imtag.Log)(nil))
	equal(t, "error", err.Error(), "imtag: the logger is nil: pass slog.Default()")
	equal(t, "closed", logs.Close(), nil)
	equal(t, "closed", logs.Shutdown(background), nil)
	equal(t, "no context", logs.Shutdown(nil).Error(), "imtag: the context is nil: pass context.Background()")
}

func TestTheFinestLogShowsNeitherKeyNorUserSigNorPasswordNorUser(t *testing.T) {
	var text lockedText
	logs, err := imtag.LogTo(slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: imtag.LevelTrace})))
	equal(t, "error", err, nil)
	const account, tag, said = "hush-account", "hush-tag", "hush-said"

	e := newEmulator(t)
	for _, client := range []*imtag.Client{e.client(t), e.client(t, once)} {
		for _, fault := range []string{
			`{"kind": "code", "code": 70001, "text": "hush-said"}`, // asks for a new UserSig
			`{"kind": "code", "code": 91000, "text": "hush-said hush-account"}`,
			`{"kind": "code", "code": 60007}`,
			`{"kind": "cut_after"}`,
			`{"kind": "status", "status": 502, "body": "hush-said"}`,
			`{"kind": "answer", "body": "hush-said hush-account"}`,
			`{"kind": "leave_out", "accounts": ["hush-account"], "code": 70107, "text": "hush-said"}`,
		} {
			e.fault(t, "add", fault)
			client.AddTag(background, user(account, tag))
			e.fault(t, "add", fault)
			client.Bulk(background, imtag.Changes(imtag.Add(account, tag), imtag.Add("hush-account-2", tag)), imtag.BulkOptions{})
		}
	}
	refusing := e.client(t, func(c *imtag.Config) {
		c.SecretKey = ""
		c.CredentialCallback = func() (imtag.Credential, error) { return imtag.Credential{}, errors.New(said + " " + e.key) }
	})
	_, err = refusing.AddTag(background, user(account, tag))
	failed(t, err, imtag.StatusCredentials)

	behind := newEmulator(t, "--tls")
	proxy := newProxy(t, behind, "me", "hush-word")
	for _, password := range []string{"hush-word", "hush-wrong"} {
		client := behind.client(t, once, func(c *imtag.Config) {
			c.Endpoint, c.Region, c.Proxy = "", "singapore", "http://me:"+password+"@"+proxy
		})
		_, err := client.AddTag(background, user(account, tag))
		equal(t, "through the proxy with "+password, err == nil, password == "hush-word")
	}
	equal(t, "closed", logs.Close(), nil)

	shown := text.String()
	for _, secret := range []string{"hush", e.key, behind.key, "eJyr", "eJw", "administrator"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is in %s", secret, shown)
		}
	}
	for _, message := range []string{"UserSig expired", "trying again", "no UserSig", "call failed", "request formed",
		"rejected as too frequent", "session ended", `"through_proxy":true`} {
		if !strings.Contains(shown, message) {
			t.Errorf("%s is not in %s", message, shown)
		}
	}
}

// lockedText is a text that is written and read at once.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *lockedText) Write(more []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(more)
}

func (t *lockedText) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
