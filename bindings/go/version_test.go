package imtag

import (
	"strings"
	"testing"
)

func TestALibraryFitsIfItIsNewerInTheSameMajorVersionAndBelowOneInTheSameMinorVersion(t *testing.T) {
	for _, c := range []struct {
		header, library string
		fits            bool
	}{
		{"0.1.0", "0.1.0", true},
		{"0.1.0", "0.1.7", true},
		{"0.1.7", "0.1.6", false},
		{"0.1.9", "0.1.10", true},
		{"0.1.0", "0.2.0", false},
		{"0.1.0", "0.10.0", false},
		{"0.2.0", "0.1.9", false},
		{"0.1.0", "1.1.0", false},
		{"1.2.3", "1.2.3", true},
		{"1.2.3", "1.2.4", true},
		{"1.2.3", "1.3.0", true},
		{"1.2.3", "1.3.9", true},
		{"1.9.3", "1.10.0", true},
		{"1.10.0", "1.9.3", false},
		{"1.0.0", "1.7.2", true},
		{"1.0.0", "0.9.9", false},
		{"1.2.3", "1.2.2", false},
		{"1.2.3", "1.1.9", false},
		{"1.2.3", "2.2.3", false},
		{"0.1.0", "a word", false},
		{"0.1.0", "", false},
	} {
		err := fits(c.header, c.library)
		if (err == nil) != c.fits {
			t.Errorf("header %s with library %s: %v", c.header, c.library, err)
		}
		if err != nil && !(strings.Contains(err.Error(), c.header) && strings.Contains(err.Error(), c.library)) {
			t.Errorf("%v does not name both", err)
		}
	}
	if err := checkVersion(); err != nil {
		t.Error(err)
	}
}
