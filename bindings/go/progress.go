package imtag

// #include <imtag.h>
import "C"

import "time"

// Progress is how far a bulk run is.
type Progress struct {
	Taken        int // changes that were taken in
	Done         int // changes that are done
	Failed       int // changes that failed
	Requests     int // requests that were made; retries are not counted
	Attempts     int // attempts that were made: requests with their retries
	AttemptsSent int // attempts of which any byte left this machine: what the app's quota may have been charged
	// Splits counts requests that were split, as they failed without a word whose fault it was; each makes two more.
	Splits int
	// TimpushWouldSave counts requests that looked for users at fault, which the timpush paths would have named: 0 on
	// these.
	TimpushWouldSave int
	Elapsed          time.Duration // since the first change; in a Summary, all the time that it took
}

// Unsettled counts the changes that were taken and have no outcome yet.
func (p Progress) Unsettled() int { return p.Taken - p.Done - p.Failed }

// Summary is what a bulk run came to.
type Summary struct {
	Progress
	// NotTaken counts changes that were pulled from the input and not taken before the run ended early: up to 512 are
	// pulled ahead. They have their outcomes like all that were pulled; what was not pulled is in no count.
	NotTaken int
}

// progressOf reads the counts, what is taken last of all, so that no more is done than was taken.
func progressOf(bulk *C.im_bulk) Progress {
	count := func(what C.im_count) int { return int(C.im_bulk_count(bulk, what)) }
	return Progress{
		Done:             count(C.IM_COUNT_DONE),
		Failed:           count(C.IM_COUNT_FAILED),
		Requests:         count(C.IM_COUNT_REQUESTS),
		Attempts:         count(C.IM_COUNT_ATTEMPTS),
		AttemptsSent:     count(C.IM_COUNT_ATTEMPTS_SENT),
		Splits:           count(C.IM_COUNT_SPLITS),
		TimpushWouldSave: count(C.IM_COUNT_TIMPUSH_WOULD_SAVE),
		Elapsed:          time.Duration(count(C.IM_COUNT_ELAPSED_MS)) * time.Millisecond,
		Taken:            count(C.IM_COUNT_TAKEN),
	}
}
