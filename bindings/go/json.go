//go:build cgo

package imtag

import "encoding/json"

// In JSON, as in a log, statuses, effects and operations are words, and an error has its sentence.

// MarshalText is String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// MarshalText is String.
func (r Retry) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText is String.
func (o Operation) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalJSON has the change's operation, account and tags.
func (c Change) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Operation Operation
		Account   string
		Tags      []string `json:",omitempty"`
	}{c.operation, c.account, c.tags})
}

// MarshalJSON has the fields of the error; Message is the sentence of Error, and Retryable that of the method.
func (e *Error) MarshalJSON() ([]byte, error) {
	type fields Error // without its methods
	return json.Marshal(struct {
		Message   string
		Retryable bool
		*fields
	}{e.message, e.retryable, (*fields)(e)})
}
