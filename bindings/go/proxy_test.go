package imtag_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// newProxy starts a proxy for this test that asks for a user and a password, and leads to the emulator from everywhere. It
// returns its address.
func newProxy(t testing.TB, e *emulator, user, password string) string {
	t.Helper()
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	to := strings.TrimPrefix(e.Endpoint, "https://")
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodConnect || request.Header.Get("Proxy-Authorization") != login {
			answer.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			answer.WriteHeader(http.StatusBadGateway)
			return
		}
		answer.WriteHeader(http.StatusOK)
		here, _, err := answer.(http.Hijacker).Hijack()
		if err != nil {
			there.Close()
			return
		}
		go func() {
			io.Copy(there, here)
			there.Close()
		}()
		io.Copy(here, there)
		here.Close()
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
