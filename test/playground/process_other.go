//go:build !linux

package playground

import "syscall"

// ownProcessGroup has no way to tie a child to its parent here. Pods need Linux
// anyway, where all of 127.0.0.0/8 is the machine's own.
func ownProcessGroup(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
