package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LevelTrace is below slog.LevelDebug. The library has no such record today.
const LevelTrace = slog.LevelDebug - 4

// How many records wait for the handler, some hundred bytes each.
const logCapacity = 10_000

// The levels of C, the finest first.
var logLevels = []struct {
	ofC    C.im_log_level
	ofSlog slog.Level
}{
	{C.IM_LOG_TRACE, LevelTrace},
	{C.IM_LOG_DEBUG, slog.LevelDebug},
	{C.IM_LOG_INFO, slog.LevelInfo},
	{C.IM_LOG_WARN, slog.LevelWarn},
	{C.IM_LOG_ERROR, slog.LevelError},
}

// Log passes what the library decides on to a logger, until it is closed. [LogTo] makes one.
type Log struct {
	handler slog.Handler
	done    chan struct{} // closed when all is passed on

	mu       sync.Mutex
	handle   *C.im_log // nil once freed
	closed   bool
	panics   int
	panicked any    // the first of these
	failed   *Error // a defect of the library ended it
}

// LogTo passes what the library decides on to a logger, from now on: attempts, repetitions, waits for the quota, outages,
// UserSigs, connections, requests of bulk runs and batchers, of all clients of the process. Messages are the same each
// time, such as "attempt ended"; what is known stands in attributes, such as operation, attempt, duration_ms, cause and
// code; the time is that of the record. No key, UserSig, account or tag is in them. Attributes may come and go with a minor
// version.
//
// The levels are slog's: Warn for what costs time or needs you, Info for a few records a minute, Debug for a few each call;
// trace, of which there is none today, is [LevelTrace]. The finest that the logger has enabled is asked for once, here, and
// what is coarser again for each record. A logger in which nothing is enabled costs nothing.
//
// A goroutine of the Log's own calls the handler, so a call never waits for it. 10,000 records wait for a handler that is
// slow; then new ones are dropped, and a record in their place, "log records were dropped", says how many. A record in which
// the handler panics is lost, the others are not. What the handler does with this package on that goroutine is in no log.
//
// Close it before the program ends, which does not wait for it: the records that wait are lost.
func LogTo(logger *slog.Logger) (*Log, error) {
	if logger == nil {
		return nil, errNoLogger
	}
	if err := checkVersion(); err != nil {
		return nil, err
	}
	l := &Log{handler: logger.Handler(), done: make(chan struct{})}
	for _, level := range logLevels {
		if !l.handler.Enabled(context.Background(), level.ofSlog) {
			continue
		}
		var failed *C.im_error
		if C.im_log_new(level.ofC, logCapacity, &l.handle, &failed) != C.IM_OK {
			return nil, takeError(failed)
		}
		go l.deliver()
		return l, nil
	}
	close(l.done)
	return l, nil
}

var errNoLogger error = errorText("imtag: the logger is nil: pass slog.Default()")

// Close takes no more records, and waits until the handler has those that wait. It may be called more than once, and on a
// nil Log, but not by the handler. The error says that the handler has panicked.
func (l *Log) Close() error { return l.Shutdown(context.Background()) }

// Shutdown is Close until the context is done. Then its error is the context's, and the records that wait are passed on all
// the same.
func (l *Log) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	if l == nil {
		return nil
	}
	l.close()
	select {
	case <-l.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if l.panics > 0 {
		return errorText(fmt.Sprintf("imtag: the handler of the log panicked %d times, at first with: %v", l.panics, l.panicked))
	}
	return nil
}

func (l *Log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && l.handle != nil {
		C.im_log_close(l.handle)
	}
	l.closed = true
}

// deliver passes records on until the log is closed and all are read.
func (l *Log) deliver() {
	over := false
	defer func() {
		if !over {
			go l.deliver() // the handler has ended this goroutine, as t.FailNow does
		}
	}()
	// calls of the handler are made by this thread, which is left out of the log
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.im_log_leave_out_thread(true)
	defer C.im_log_leave_out_thread(false)
	for {
		var record *C.im_log_record
		var failed *C.im_error
		status := C.im_log_next(l.handle, C.UINT64_MAX, &record, &failed)
		if status != C.IM_OK {
			over = true
			l.end(status, takeError(failed))
			return
		}
		if record != nil {
			l.pass(takeRecord(record))
		}
	}
}

func (l *Log) end(status C.im_status, why *Error) {
	l.mu.Lock() // so close, which uses the handle, has ended
	defer l.mu.Unlock()
	if status != C.IM_CLOSED {
		l.failed = why
	}
	C.im_log_free(l.handle)
	l.handle = nil
	close(l.done)
}

// pass hands a record to the handler, which is the caller's: whatever it does, the next record is passed on.
func (l *Log) pass(record slog.Record) {
	defer func() {
		if panicked := recover(); panicked != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.panics == 0 {
				l.panicked = panicked
			}
			l.panics++
		}
	}()
	ctx := context.Background()
	if l.handler.Enabled(ctx, record.Level) {
		l.handler.Handle(ctx, record) // its error is its own matter, as in slog
	}
}

// takeRecord copies a record of C and frees it.
func takeRecord(record *C.im_log_record) slog.Record {
	defer C.im_log_record_free(record)
	level := slog.LevelError
	for _, it := range logLevels {
		if it.ofC == C.im_log_record_level(record) {
			level = it.ofSlog
		}
	}
	at := time.UnixMicro(int64(C.im_log_record_time_us(record)))
	taken := slog.NewRecord(at, level, C.GoString(C.im_log_record_message(record)), 0)
	taken.AddAttrs(attributes(C.GoString(C.im_log_record_fields(record)))...)
	return taken
}

// attributes are the members of a JSON object of strings, numbers and booleans, in its order.
func attributes(object string) []slog.Attr {
	var all []slog.Attr
	tokens := json.NewDecoder(strings.NewReader(object))
	tokens.UseNumber()
	tokens.Token() // the brace
	for tokens.More() {
		name, _ := tokens.Token()
		value, err := tokens.Token()
		key, ok := name.(string)
		if err != nil || !ok {
			return append(all, slog.String("fields", object)) // a defect of the library loses nothing
		}
		all = append(all, slog.Attr{Key: key, Value: valueOf(value)})
	}
	return all
}

func valueOf(token json.Token) slog.Value {
	number, ok := token.(json.Number)
	if !ok {
		return slog.AnyValue(token)
	}
	if whole, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
		return slog.Int64Value(whole)
	}
	if great, err := strconv.ParseUint(number.String(), 10, 64); err == nil {
		return slog.Uint64Value(great)
	}
	real, _ := number.Float64()
	return slog.Float64Value(real)
}
