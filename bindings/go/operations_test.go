package imtag_test

import (
	"fmt"
	"testing"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func TestEveryOperationDoesWhatItSays(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.Generation = "timpush" })

	result, err := client.AddTag(background, []imtag.UserTags{
		{Account: "anna", Tags: []string{"vip", "北京"}},
		{Account: "bo", Tags: []string{"new"}},
	})
	added := succeeds(t, result, err)
	equal(t, "accounts", added.Accounts, 2)
	equal(t, "attempts", [2]int{added.Attempts, added.AttemptsSent}, [2]int{1, 1})
	equal(t, "the request's number", added.RequestID, "emulator-0")
	equal(t, "nothing read", added.Users, []imtag.UserTags(nil))

	result, err = client.GetTag(background, []string{"bo", "anna", "nobody"})
	read := succeeds(t, result, err)
	equal(t, "what was read", read.Users, []imtag.UserTags{
		{Account: "bo", Tags: []string{"new"}}, {Account: "anna", Tags: []string{"vip", "北京"}}, {Account: "nobody"},
	})

	_, err = client.RemoveTag(background, user("anna", "vip", "never had"))
	equal(t, "removing", err, nil)
	equal(t, "after removing", e.tags(t, "anna"), []string{"北京"})

	_, err = client.ReplaceTags(background, user("anna", "only"))
	equal(t, "replacing", err, nil)
	equal(t, "after replacing", e.tags(t, "anna"), []string{"only"})

	result, err = client.ClearTags(background, []string{"anna", "bo"})
	equal(t, "cleared", succeeds(t, result, err).Accounts, 2)
	equal(t, "after clearing", len(e.tags(t, "anna"))+len(e.tags(t, "bo")), 0)
}

func TestAFullRequestArrivesAsItWas(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	users := fullRequest()
	result, err := client.AddTag(background, users)
	equal(t, "accounts", succeeds(t, result, err).Accounts, 100)
	accounts := make([]string, len(users))
	for i := range users {
		accounts[i] = users[i].Account
	}
	result, err = client.GetTag(background, accounts)
	equal(t, "what was read", succeeds(t, result, err).Users, users)
}

func fullRequest() []imtag.UserTags {
	users := make([]imtag.UserTags, 100)
	for i := range users {
		users[i].Account = fmt.Sprintf("user-%03d", i)
		for j := range 10 {
			users[i].Tags = append(users[i].Tags, fmt.Sprintf("tag-%03d-%d", i, j))
		}
	}
	return users
}

func TestBytesThatAreNotTextAndEmptyArgumentsReachTheLibraryWhichRefusesThem(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	for _, users := range [][]imtag.UserTags{
		nil, {}, {{}}, {{Account: "u"}}, user("", "a"), user("u", ""), user("u", "a\xff"), user("\xff", "a"),
	} {
		_, err := client.AddTag(background, users)
		equal(t, "places", len(failed(t, err, imtag.StatusInvalid).Violations) > 0, true)
	}
	for _, accounts := range [][]string{nil, {}, {""}, {"u\xff"}} {
		_, err := client.GetTag(background, accounts)
		equal(t, "places", len(failed(t, err, imtag.StatusInvalid).Violations) > 0, true)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}
