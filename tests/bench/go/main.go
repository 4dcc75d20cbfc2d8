// The clients of `cargo xtask bench call` in Go: libimtag, and net/http, which is what people use without it. It is started
// with one's name, an endpoint, a CA file, and the number of users and of tags. For each line with a number it makes so
// many calls, and prints what they cost as a line of JSON, in nanoseconds.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

const target = "/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator&usersig=" +
	"eJwtzM0KgkAYheF7mXXIN*OMjkKLFm36U8loE4QxY3xZNuiUUXTviXo8z4H3S3bbzHvqmoSEeUAm-SOlb9Zgib23oCuscbC36ZaWdVkXxqAiIQUA" +
	"Kv3hLDqdNhjXkzPfY0AFUBYwIYfB6m2w1m5XlCppRByogHMpJPM4zf6TIj4lq*bxnBR8ceHpyh6PbL-AWVUoJw_&random=1&contenttype=json"

func main() {
	if len(os.Args) != 6 {
		log.Fatal("which client, endpoint, CA file, users and tags?")
	}
	endpoint, caFile := os.Args[2], os.Args[3]
	users := texts(number(os.Args[4]), number(os.Args[5]))
	var call func() error
	switch os.Args[1] {
	case "imtag":
		call = ours(endpoint, caFile, users)
	case "net/http":
		call = peer(endpoint, caFile, users)
	default:
		log.Fatalf("there is no client %s", os.Args[1])
	}
	must(call())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		took := make([]time.Duration, number(lines.Text()))
		began, before := time.Now(), processorTime()
		for at := range took {
			start := time.Now()
			must(call())
			took[at] = time.Since(start)
		}
		count := time.Duration(len(took))
		cpu, lasted := (processorTime()-before)/count, time.Since(began)/count
		slices.Sort(took)
		fmt.Printf(`{"p50":%d,"p99":%d,"cpu":%d,"time":%d}`+"\n", took[count/2], took[count*99/100], cpu, lasted)
	}
}

func texts(count, tags int) []imtag.UserTags {
	users := make([]imtag.UserTags, count)
	for user := range users {
		users[user].Account = fmt.Sprintf("user%08d", user)
		for tag := range tags {
			users[user].Tags = append(users[user].Tags, fmt.Sprintf("tag%03d-of-20-bytes..", (user+tag)%100))
		}
	}
	return users
}

func ours(endpoint, caFile string, users []imtag.UserTags) func() error {
	config := imtag.Config{
		SDKAppID:       1400000000,
		Identifier:     "administrator",
		SecretKey:      strings.Repeat("0123456789abcdef", 4),
		Endpoint:       endpoint,
		CallsPerSecond: 100000, // so that no call waits for its turn
		FreshStart:     true,
	}
	if strings.HasPrefix(endpoint, "https:") {
		config.CAFile = caFile
	}
	client, err := imtag.NewClient(config)
	must(err)
	return func() error {
		_, err := client.AddTag(context.Background(), users)
		return err
	}
}

type body struct {
	UserTags []bodyUser
}

type bodyUser struct {
	Account string `json:"To_Account"`
	Tags    []string
}

func peer(endpoint, caFile string, users []imtag.UserTags) func() error {
	pem, err := os.ReadFile(caFile)
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return func() error {
		request := body{UserTags: make([]bodyUser, len(users))}
		for at, user := range users {
			request.UserTags[at] = bodyUser{user.Account, user.Tags}
		}
		text, err := json.Marshal(request)
		if err != nil {
			return err
		}
		response, err := client.Post(endpoint+target, "application/json", bytes.NewReader(text))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err = io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		var answer struct{ ErrorCode int }
		if err := json.Unmarshal(text, &answer); err != nil || answer.ErrorCode != 0 {
			return fmt.Errorf("the answer is %s: %w", text, err)
		}
		return nil
	}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func number(text string) int {
	number, err := strconv.Atoi(text)
	must(err)
	return number
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
