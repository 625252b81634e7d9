package playground

import "syscall"

// ownProcessGroup keeps a terminal's Ctrl-C from the children, which are stopped
// in order instead. With tied, the kernel kills the child when its parent ends.
func ownProcessGroup(tied bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if tied {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}
