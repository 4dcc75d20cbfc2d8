package imtag_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func ExampleLogTo() {
	var text lockedText
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: withoutTime}))

	logs, err := imtag.LogTo(logger.With("from", "imtag"))
	if err != nil {
		log.Fatal(err)
	}
	defer logs.Close() // passes on the records that wait

	client := exampleClient()
	defer client.Close()
	client.GetTag(context.Background(), []string{"anna"})
	logs.Close()
	for _, line := range strings.Split(text.String(), "\n") {
		if strings.Contains(line, "UserSig") {
			fmt.Println(line)
		}
	}
	// Output: level=INFO msg="new UserSig" from=imtag source="secret key" valid_for_s=604800
}

func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

// A page for Prometheus, without a module beside this one.
func ExampleClient_Stats() {
	client := exampleClient()
	defer client.Close()

	http.HandleFunc("/metrics", func(page http.ResponseWriter, _ *http.Request) {
		page.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		io.WriteString(page, client.Stats().Text())
	})

	client.GetTag(context.Background(), []string{"anna"})
	server := httptest.NewServer(nil)
	defer server.Close()
	answer, err := http.Get(server.URL + "/metrics")
	if err != nil {
		log.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range strings.Split(string(page), "\n") {
		if strings.HasPrefix(line, `imtag_calls_total{operation="get",outcome="done"}`) {
			fmt.Println(line)
		}
	}
	// Output: imtag_calls_total{operation="get",outcome="done"} 1
}
