package groupbinding

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tgsync/tgsync/syncer/target"
)

// Source tells which Service ports feed which target groups, as the syncer is told.
type Source interface {
	// Bindings returns the bindings of today. The slice is not changed afterwards.
	Bindings() []target.Binding
	// Missing returns the bindings of groups that are wanted and do not exist yet, and
	// whether it is known what is wanted.
	Missing() ([]target.Binding, bool)
	// Changed signals that Bindings or Missing differ. One receiver is served.
	Changed() <-chan struct{}
}

// shown is what a source has.
type shown struct {
	bindings []target.Binding
	missing  []target.Binding // wanted, and not bound
	complete bool             // it is known what is wanted
}

// board shows two sources as one. A group that both have is the first one's, the
// provisioner's.
type board struct {
	provisioned Source
	all         atomic.Pointer[shown]
	// changed has a capacity of one: a signal that nobody has taken yet stands for
	// all changes since.
	changed chan struct{}

	mu  sync.Mutex // guards own, and that all is made of what is newest
	own shown
}

func newBoard(provisioned Source) *board {
	b := &board{provisioned: provisioned, changed: make(chan struct{}, 1)}
	b.all.Store(&shown{})
	return b
}

// show replaces what TargetGroupBindings say.
func (b *board) show(own shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = own
	b.mergeLocked()
}

// merge takes over what the provisioner has.
func (b *board) merge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mergeLocked()
}

func (b *board) mergeLocked() {
	missing, complete := b.provisioned.Missing()
	all := &shown{
		bindings: slices.Clone(b.provisioned.Bindings()), missing: slices.Concat(missing, b.own.missing), complete: complete && b.own.complete,
	}
	taken := arnsOf(all.bindings)
	for _, binding := range b.own.bindings {
		if !taken[binding.GroupARN] {
			taken[binding.GroupARN] = true
			all.bindings = append(all.bindings, binding)
		}
	}
	was := b.all.Swap(all)
	if slices.Equal(all.bindings, was.bindings) && slices.Equal(all.missing, was.missing) && all.complete == was.complete {
		return
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func arnsOf(bindings []target.Binding) map[string]bool {
	arns := make(map[string]bool, len(bindings))
	for _, b := range bindings {
		arns[b.GroupARN] = true
	}
	return arns
}
