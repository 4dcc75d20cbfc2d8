package imtag_test

import (
	"os/exec"
	"syscall"
)

// endWithUs has a process end when this one does, however it ends: by the time limit of go test, say.
func endWithUs(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
