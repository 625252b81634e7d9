package securitygroup

import (
	"maps"
	"slices"
	"sync"
)

// Board is a Source that is written part by part.
type Board struct {
	// changed has a capacity of one: a signal that nobody has taken yet stands for
	// all changes since.
	changed chan struct{}

	mu       sync.Mutex // guards what follows
	parts    map[string][]Need
	complete bool
}

// NewBoard returns an empty board that is not complete.
func NewBoard() *Board { return &Board{changed: make(chan struct{}, 1), parts: map[string][]Need{}} }

// Show replaces one part. Nobody changes the needs afterwards.
func (b *Board) Show(part string, needs []Need) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.EqualFunc(b.parts[part], needs, Need.equal) {
		return
	}
	if b.parts[part] = needs; len(needs) == 0 {
		delete(b.parts, part)
	}
	b.signal()
}

// Complete says that from now on the parts are all that is needed.
func (b *Board) Complete() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.complete {
		b.complete = true
		b.signal()
	}
}

// Needs returns the needs of all parts.
func (b *Board) Needs() ([]Need, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Need
	for _, part := range slices.Sorted(maps.Keys(b.parts)) {
		all = append(all, b.parts[part]...)
	}
	return all, b.complete
}

// Changed signals that Needs differ. One receiver is served.
func (b *Board) Changed() <-chan struct{} { return b.changed }

func (b *Board) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

var _ Source = (*Board)(nil)
