module github.com/libimtag/libimtag/tests/bench/go

go 1.22

require github.com/libimtag/libimtag/bindings/go v0.0.0

replace github.com/libimtag/libimtag/bindings/go => ../../../bindings/go
