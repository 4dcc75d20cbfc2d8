package main

// What passes between the runner and the harness: JSON, a line each.

import (
	"encoding/json"
	"os"
	"sync"
)

var (
	input  = json.NewDecoder(os.Stdin)
	output = json.NewEncoder(os.Stdout)
	lines  sync.Mutex
)

// awaitArrivals returns once so many requests have arrived at the server, which the harness says.
func awaitArrivals(count int) {
	lines.Lock()
	defer lines.Unlock()
	var arrived struct{ Arrived int }
	err := output.Encode(map[string]int{"await_arrivals": count})
	if err == nil {
		err = input.Decode(&arrived)
	}
	if err != nil || arrived.Arrived != count {
		giveUp(err)
	}
}
