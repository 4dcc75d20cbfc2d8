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
	Settled  int             `json:"settled,omitempty"`
	Done     int             `json:"done,omitempty"`
	Failures []changeFailure `json:"failures,omitempty"`
	Summary  *summary        `json:"summary,omitempty"`

	*observed
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

// described is what the errors of calls and of changes both have.
type described struct {
	Message    string      `json:"message"`
	Remedy     string      `json:"remedy"`
	Code       int         `json:"code"`
	Text       string      `json:"text"`
	Effect     string      `json:"effect"`
	Retryable  bool        `json:"retryable"`
	Violations []violation `json:"violations"`
}

type failure struct {
	described
	Attempts     int       `json:"attempts"`
	AttemptsSent int       `json:"attempts_sent"`
	RequestID    string    `json:"request_id"`
	Failures     []leftOut `json:"failures"`
}

// changeFailure is a change, a flush or a close that did not end well.
type changeFailure struct {
	Index   *int     `json:"index,omitempty"`
	Step    *int     `json:"step,omitempty"`
	Status  string   `json:"status"`
	Account string   `json:"account"`
	Undone  []string `json:"undone"`
	described
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

func outcomeOf(result *imtag.Result, err error) outcome {
	if err == nil {
		return outcome{Status: "ok", Result: resultOf(result)}
	}
	var of *imtag.Error
	if !errors.As(err, &of) {
		return outcome{Status: "defect", Error: &failure{described: described{Message: err.Error()}}}
	}
	why := &failure{describe(of), of.Attempts, of.AttemptsSent, of.RequestID, nil}
	for _, it := range of.Failures {
		why.Failures = append(why.Failures,
			leftOut{it.Account, it.Code, it.Text, it.Remedy, it.Effect.String(), it.Retryable})
	}
	return outcome{Status: of.Status.String(), Result: resultOf(result), Error: why}
}

func failureOf(err error) changeFailure {
	var of *imtag.Error
	if !errors.As(err, &of) {
		return changeFailure{Status: "defect", described: described{Message: err.Error()}}
	}
	failed := changeFailure{Status: of.Status.String(), described: describe(of)}
	for _, it := range of.Failures { // the one of a change
		failed.Account, failed.Undone = it.Account, it.Undone
	}
	return failed
}

func describe(of *imtag.Error) described {
	var violations []violation
	for _, it := range of.Violations {
		violations = append(violations, violation(it))
	}
	return described{of.Error(), of.Remedy, of.Code, of.Text, of.Effect.String(), of.Retryable(), violations}
}

func resultOf(of *imtag.Result) *result {
	if of == nil {
		return nil
	}
	read := &result{of.Accounts, of.Attempts, of.AttemptsSent, of.RequestID, nil, of.Unanswered}
	for _, user := range of.Users {
		read.Users = append(read.Users, userTags(user))
	}
	return read
}
