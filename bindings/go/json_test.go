package imtag_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func TestAnErrorIsWordsInJSON(t *testing.T) {
	t.Parallel()
	client := offline(t)
	_, err := client.AddTag(background, []imtag.UserTags{{Account: "", Tags: []string{"a"}}})
	equal(t, "invalid", inJSON(t, err), `{"Message":"invalid request, nothing was sent: users[0].account: empty, at least 1 byte (leave it out, or fill it)",`+
		`"Retryable":false,"Status":"invalid","Code":0,"Text":"","Remedy":"leave it out, or fill it","Effect":"not applied",`+
		`"Attempts":0,"AttemptsSent":0,"RequestID":"",`+
		`"Violations":[{"Place":"users[0].account","Problem":"empty, at least 1 byte","Remedy":"leave it out, or fill it"}],"Failures":null}`)
	for _, err := range []error{imtag.ErrClosed, imtag.ErrBatcherClosed} {
		equal(t, "plain", inJSON(t, err), fmt.Sprintf("%q", err.Error()))
	}
	_, err = client.GetTag(nil, nil) //nolint:staticcheck // what is tested
	equal(t, "no context", inJSON(t, err), `"imtag: the context is nil: pass context.Background()"`)
	done, cancel := context.WithCancel(background)
	cancel()
	_, err = client.GetTag(done, []string{"u"})
	for _, word := range []string{`"Status":"cancelled"`, `"Effect":"not read"`, `"Message":"`} {
		equal(t, word, strings.Contains(inJSON(t, err), word), true)
	}
	equal(t, "wrapped", errors.Is(err, context.Canceled), true)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "err", err)
	equal(t, "slog", strings.Contains(log.String(), `"err":{"Message":"`), true)
}

func TestAnOutcomeIsWordsInJSON(t *testing.T) {
	t.Parallel()
	run := offline(t).NewBulkRun(background, imtag.Changes(imtag.Add("", "a")), imtag.BulkOptions{})
	run.Outcomes(func(outcome imtag.Outcome) bool {
		text := inJSON(t, outcome)
		start := `{"Index":0,"Change":{"Operation":"add","Account":"","Tags":["a"]},"Err":{"Message":"`
		equal(t, "start", text[:min(len(text), len(start))], start)
		equal(t, "effect", strings.Contains(text, `"Failures":[{"Index":0,"Account":"","Undone":["a"],"Code":0,`), true)
		return true
	})
	equal(t, "retry", inJSON(t, imtag.Explain(70001).Retry), `"new UserSig"`)
	equal(t, "clear", inJSON(t, imtag.Clear("u")), `{"Operation":"clear","Account":"u"}`)
}

func inJSON(t *testing.T, what any) string {
	t.Helper()
	text, err := json.Marshal(what)
	equal(t, "error", err, nil)
	return string(text)
}

// offline makes a client without a server.
func offline(t *testing.T) *imtag.Client {
	t.Helper()
	client, err := imtag.NewClient(imtag.Config{
		SDKAppID: 1, Identifier: "administrator", SecretKey: "k", Endpoint: "http://127.0.0.1:1",
	})
	equal(t, "error", err, nil)
	t.Cleanup(func() { client.Close() })
	return client
}
