package imtag

// #include <imtag.h>
import "C"

import "runtime"

// FromEnv returns the settings of the environment and of a settings file, as the program imtag reads them: the variables
// IMTAG_SDKAPPID, IMTAG_IDENTIFIER, IMTAG_SECRET_KEY and so on, and the file that IMTAG_CONFIG names, or
// ~/.config/imtag/config.toml if it is there, with the same names in lower case and without IMTAG_. A variable wins over
// the file. IMTAG_PROFILE names a table [profile.NAME] of the file, whose keys win over those at its top.
//
// All is read once, during this call. The Config does not show what was found; a field that is set takes its place. What
// is missing or cannot be used is the error of [NewClient]: all at once, with each place where it could stand. FromEnv
// itself fails if the file cannot be read or is not TOML, or if there is no such profile.
func FromEnv() (Config, error) { return FromProfile("") }

// FromProfile is FromEnv with the profile of this name, whatever IMTAG_PROFILE says. With an empty name it is FromEnv.
func FromProfile(name string) (Config, error) {
	if err := checkVersion(); err != nil {
		return Config{}, err
	}
	var handle *C.im_config
	var failed *C.im_error
	if C.im_config_from_env(view(name), &handle, &failed) != C.IM_OK {
		return Config{}, takeError(failed)
	}
	found := &environment{handle: handle}
	for at := C.size_t(0); at < C.im_config_warning_count(handle); at++ {
		found.warnings = append(found.warnings, C.GoString(C.im_config_warning(handle, at)))
	}
	runtime.SetFinalizer(found, func(found *environment) { C.im_config_free(found.handle) })
	return Config{environment: found}, nil
}

// Warnings is what FromEnv found that is probably a mistake, a sentence each: a variable that seems misspelt, a file with
// a secret that others can read.
func (c Config) Warnings() []string {
	if c.environment == nil {
		return nil
	}
	return append([]string(nil), c.environment.warnings...)
}

// environment is what FromEnv found. It never changes, so copies of a Config share it.
type environment struct {
	handle   *C.im_config
	warnings []string
}

// config returns a config of C that is the caller's.
func (e *environment) config() *C.im_config {
	if e == nil {
		return C.im_config_new()
	}
	defer runtime.KeepAlive(e)
	return C.im_config_copy(e.handle)
}
