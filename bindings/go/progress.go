package imtag

// #include <imtag.h>
import "C"

import "time"

// Progress has the counts of a bulk run.
type Progress struct {
	Taken        int // changes that were taken
	Done         int // changes that are done
	Failed       int // changes that failed
	Requests     int // requests that were made; retries are not counted
	Attempts     int // attempts that were made: requests with their retries
	AttemptsSent int // attempts of which any byte left this machine: what the app's quota may have been charged
	// Splits counts requests that were split, as they failed without naming the user at fault; each makes two more.
	Splits int
	// TimpushWouldSave counts requests that only searched for users at fault. The timpush paths name these users, so they
	// would save the requests; on them it is 0.
	TimpushWouldSave int
	Elapsed          time.Duration // since the first change; in a Summary, how long the run took
}

// Unsettled counts the changes that were taken and have no outcome yet.
func (p Progress) Unsettled() int { return p.Taken - p.Done - p.Failed }

// Summary has the counts of a bulk run at its end.
type Summary struct {
	Progress
	// NotTaken counts changes that were pulled from the input but not taken, as the run had ended: up to 512 are pulled
	// ahead. They have outcomes as all changes that were pulled; changes that were not pulled are in no count.
	NotTaken int
}

// progressOf reads the counts, Taken last, so that Done and Failed are never more than it.
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
