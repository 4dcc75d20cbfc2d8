package imtag

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestARequestIsOneTextWithItsLengths(t *testing.T) {
	r := requestOfUsers(addTag, []UserTags{{"anna", []string{"a", "北京"}}, {"", nil}, {"b\xff", []string{""}}})
	if got := string(r.text); got != "annaa北京b\xff" {
		t.Errorf("text: %q", got)
	}
	if got := numbers(r.lengths); !reflect.DeepEqual(got, []int{4, 1, 6, 0, 2, 0}) {
		t.Errorf("lengths: %v", got)
	}
	if got := numbers(r.counts); !reflect.DeepEqual(got, []int{2, 0, 1}) {
		t.Errorf("tags of each: %v", got)
	}
	r = requestOfAccounts(getTag, []string{"anna", "b"})
	if got := string(r.text); got != "annab" || r.counts != nil {
		t.Errorf("text: %q, %v", got, r.counts)
	}
	if got := numbers(r.lengths); !reflect.DeepEqual(got, []int{4, 1}) {
		t.Errorf("lengths: %v", got)
	}
}

func TestChangesAreOneTextWithItsLengthsAlsoAfterTheFirstOfThem(t *testing.T) {
	b := batch{first: 7}
	for _, change := range []Change{Add("anna", "a", "北京"), Clear("bo"), Remove("cy", "")} {
		b.add(change)
	}
	for n, want := range []struct {
		text            string
		lengths, counts []int
	}{
		{"annaa北京bocy", []int{4, 1, 6, 2, 2, 0}, []int{2, 0, 1}},
		{"bocy", []int{2, 2, 0}, []int{0, 1}},
		{"cy", []int{2, 0}, []int{1}},
		{"", []int{}, []int{}},
	} {
		left := b.from(n)
		if left.first != uint64(7+n) || left.len() != 3-n || string(left.text) != want.text {
			t.Errorf("after %d: %d changes from %d on, %q", n, left.len(), left.first, left.text)
		}
		if got := numbers(left.lengths); !reflect.DeepEqual(got, want.lengths) {
			t.Errorf("after %d: lengths: %v", n, got)
		}
		if got := numbers(left.counts); !reflect.DeepEqual(got, want.counts) {
			t.Errorf("after %d: tags of each: %v", n, got)
		}
	}
}

func TestAContextThatCannotEndNeedsNoCall(t *testing.T) {
	ctx := context.WithValue(context.Background(), "key", "value")
	if c := callOf(ctx, nil); c.handle != nil || c.stop != nil {
		t.Errorf("got %+v", c)
	}
}

func TestMillisecondsAreRoundedUpAndNeverOverflow(t *testing.T) {
	for d, want := range map[time.Duration]uint64{
		math.MinInt64: 0, -1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000,
		math.MaxInt64: 9223372036855,
	} {
		if got := uint64(milliseconds(d)); got != want {
			t.Errorf("%d: got %d, want %d", d, got, want)
		}
	}
}

// numbers converts numbers of C, whose types a test cannot name.
func numbers[T ~uint64 | ~uint32 | ~uint](of []T) []int {
	all := make([]int, len(of))
	for i := range of {
		all[i] = int(of[i])
	}
	return all
}

// BenchmarkMarshalFullRequest measures a full request before C is called. Its peer is what a client without the library
// does: JSON of the request's body. Both are measured in turns, and the least time of each is reported.
func BenchmarkMarshalFullRequest(b *testing.B) {
	type userOnWire struct {
		Account string   `json:"To_Account"`
		Tags    []string `json:"Tags"`
	}
	users := make([]UserTags, 100)
	for i := range users {
		users[i].Account = fmt.Sprintf("xiaojun%03d", i)
		for j := range 10 {
			users[i].Tags = append(users[i].Tags, fmt.Sprintf("premium-%d-%d", i, j))
		}
	}
	flat, peer := time.Hour, time.Hour
	for range b.N {
		start := time.Now()
		requestOfUsers(addTag, users)
		flat = min(flat, time.Since(start))

		start = time.Now()
		onWire := make([]userOnWire, len(users))
		for i, user := range users {
			onWire[i] = userOnWire{user.Account, user.Tags}
		}
		if _, err := json.Marshal(map[string]any{"UserTags": onWire}); err != nil {
			b.Fatal(err)
		}
		peer = min(peer, time.Since(start))
	}
	b.ReportMetric(float64(flat.Nanoseconds())/1000, "flat-us")
	b.ReportMetric(float64(peer.Nanoseconds())/1000, "json-us")
}
