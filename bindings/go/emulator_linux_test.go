package imtag_test

import (
	"os/exec"
	"syscall"
)

// endWithUs makes a process end when this one does, however that ends, for example by the time limit of go test.
func endWithUs(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
