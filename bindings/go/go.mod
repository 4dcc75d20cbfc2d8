module github.com/libimtag/libimtag/bindings/go

go 1.22
