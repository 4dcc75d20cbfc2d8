package main

// What came of a case, as the harness reads it.

import (
	"errors"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type outcome struct {
	Status string   `json:"status"`
	Result *result  `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`

	// Of a bulk run and a batcher.
	Settled  int      `json:"settled,omitempty"`
	Done     int      `json:"done,omitempty"`
	Failures []undone `json:"failures,omitempty"`
	Summary  *summary `json:"summary,omitempty"`
}

type result struct {
	Accounts     int        `json:"accounts"`
	Attempts     int        `json:"attempts"`
	AttemptsSent int        `json:"attempts_sent"`
	RequestID    string     `json:"request_id"`
	Users        []userTags `json:"users"`
	Unanswered   []string   `json:"unanswered"`
}

type userTags struct {
	Account string   `json:"account"`
	Tags    []string `json:"tags"`
}

type failure struct {
	Message      string      `json:"message"`
	Remedy       string      `json:"remedy"`
	Code         int         `json:"code"`
	Text         string      `json:"text"`
	Effect       string      `json:"effect"`
	Retryable    bool        `json:"retryable"`
	Attempts     int         `json:"attempts"`
	AttemptsSent int         `json:"attempts_sent"`
	RequestID    string      `json:"request_id"`
	Violations   []violation `json:"violations"`
	Failures     []leftOut   `json:"failures"`
}

type violation struct {
	Place   string `json:"place"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

type leftOut struct {
	Account   string `json:"account"`
	Code      int    `json:"code"`
	Text      string `json:"text"`
	Remedy    string `json:"remedy"`
	Effect    string `json:"effect"`
	Retryable bool   `json:"retryable"`
}

func failed(result *imtag.Result, err error) outcome {
	var of *imtag.Error
	if !errors.As(err, &of) {
		return outcome{Status: "defect", Error: &failure{Message: err.Error()}}
	}
	described := &failure{
		Message:      of.Error(),
		Remedy:       of.Remedy,
		Code:         of.Code,
		Text:         of.Text,
		Effect:       of.Effect.String(),
		Retryable:    of.Retryable(),
		Attempts:     of.Attempts,
		AttemptsSent: of.AttemptsSent,
		RequestID:    of.RequestID,
	}
	described.Violations = violations(of)
	for _, it := range of.Failures {
		described.Failures = append(described.Failures,
			leftOut{it.Account, it.Code, it.Text, it.Remedy, it.Effect.String(), it.Retryable})
	}
	return outcome{Status: of.Status.String(), Result: shown(result), Error: described}
}

func violations(of *imtag.Error) []violation {
	var all []violation
	for _, it := range of.Violations {
		all = append(all, violation(it))
	}
	return all
}

func shown(of *imtag.Result) *result {
	if of == nil {
		return nil
	}
	shown := &result{
		Accounts:     of.Accounts,
		Attempts:     of.Attempts,
		AttemptsSent: of.AttemptsSent,
		RequestID:    of.RequestID,
		Unanswered:   of.Unanswered,
	}
	for _, user := range of.Users {
		shown.Users = append(shown.Users, userTags(user))
	}
	return shown
}
