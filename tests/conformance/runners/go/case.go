package main

// A case as the harness writes it. What it leaves out stays zero, which is not set.

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type testCase struct {
	Settings settings `json:"settings"`
	Call     call     `json:"call"`
	Bulk     *bulk    `json:"bulk"`
	Batcher  *batcher `json:"batcher"`
	Observe  bool     `json:"observe"`
}

type settings struct {
	FromEnv        *string        `json:"from_env"` // the profile
	SDKAppID       uint32         `json:"sdkappid"`
	Identifier     string         `json:"identifier"`
	SecretKey      string         `json:"secret_key"`
	UserSig        string         `json:"usersig"`
	Callback       *callback      `json:"credential_callback"`
	Region         string         `json:"region"`
	Endpoint       string         `json:"endpoint"`
	SpareEndpoint  string         `json:"spare_endpoint"`
	Proxy          string         `json:"proxy"`
	Generation     string         `json:"generation"`
	CallsPerSecond decimal        `json:"calls_per_second"`
	FreshStart     bool           `json:"fresh_start"`
	Timeout        milliseconds   `json:"timeout_ms"`
	ConnectTimeout milliseconds   `json:"connect_timeout_ms"`
	MaxAttempts    uint32         `json:"max_attempts"`
	Roots          string         `json:"roots"`
	CAFile         string         `json:"ca_file"`
	Limits         map[string]int `json:"limits"`
}

type callback struct {
	UserSig  string       `json:"usersig"`
	ValidFor milliseconds `json:"valid_for_ms"`
	Refuse   *string      `json:"refuse"`
	asked    bool
}

type call struct {
	Operation      string        `json:"operation"`
	Users          []user        `json:"users"`
	Accounts       []text        `json:"accounts"`
	Timeout        *milliseconds `json:"timeout_ms"`
	AttemptTimeout *milliseconds `json:"attempt_timeout_ms"`
	CancelAfter    *milliseconds `json:"cancel_after_ms"`
}

type user struct {
	Account text   `json:"account"`
	Tags    []text `json:"tags"`
}

type milliseconds int64

func (m milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// decimal is a number, or as a text one that JSON cannot say: NaN.
type decimal float64

func (d *decimal) UnmarshalJSON(data []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	*d = decimal(value)
	return err
}

// text is a string, or the bytes of {"hex": "61ff"}.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(t))
	}
	var of struct{ Hex string }
	if err := json.Unmarshal(data, &of); err != nil {
		return err
	}
	bytes, err := hex.DecodeString(of.Hex)
	*t = text(bytes)
	return err
}

func (s settings) client() (*imtag.Client, error) {
	var config imtag.Config
	if s.FromEnv != nil {
		found, err := imtag.FromProfile(*s.FromEnv)
		if err != nil {
			return nil, err
		}
		config = found
	}
	config.SDKAppID = s.SDKAppID
	config.Identifier = s.Identifier
	config.SecretKey = s.SecretKey
	config.UserSig = s.UserSig
	config.Region = s.Region
	config.Endpoint = s.Endpoint
	config.SpareEndpoint = s.SpareEndpoint
	config.Proxy = s.Proxy
	config.Generation = s.Generation
	config.CallsPerSecond = float64(s.CallsPerSecond)
	config.FreshStart = s.FreshStart
	config.Timeout = s.Timeout.duration()
	config.ConnectTimeout = s.ConnectTimeout.duration()
	config.MaxAttempts = s.MaxAttempts
	config.Roots = s.Roots
	config.CAFile = s.CAFile
	config.Limits = s.Limits
	if s.Callback != nil {
		config.CredentialCallback = s.Callback.supply
	}
	return imtag.NewClient(config)
}

func (c call) users() []imtag.UserTags {
	users := make([]imtag.UserTags, 0, len(c.Users))
	for _, user := range c.Users {
		users = append(users, imtag.UserTags{Account: string(user.Account), Tags: texts(user.Tags)})
	}
	return users
}

func (c call) accounts() []string { return texts(c.Accounts) }

func texts(all []text) []string {
	strings := make([]string, 0, len(all))
	for _, text := range all {
		strings = append(strings, string(text))
	}
	return strings
}
