package kubesim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// watcher is the body of a watch. It has no goroutine: changes are queued for it, and
// whoever reads the body waits until something is due.
type watcher struct {
	s        *Server
	r        *request
	canceled <-chan struct{} // of the request's context
	deadline time.Time       // zero: never

	// wake tells the reader that the queue or the end has changed. It has room for
	// one, which stands for all changes that the reader has not looked at.
	wake   chan struct{}
	closed chan struct{}
	once   sync.Once

	rest []byte // of the frame that is being read; the reader's own

	// Guarded by the server's lock.
	queue    []frame
	bookmark time.Time // when the next one is due
	end      error     // after the queue, if cut: instead of it
}

// frame is one line of the stream.
type frame struct {
	due  time.Time
	text []byte
}

// watchLocked begins a watch. One that cannot begin at its version is answered 200
// with an error in the stream, for that is how the watch cache does it.
func (s *Server) watchLocked(r *request, canceled <-chan struct{}) (*answer, error) {
	rv, err := parseVersion(r.options.ResourceVersion)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	w := &watcher{
		s: s, r: r, canceled: canceled, bookmark: now.Add(s.opts.Bookmarks),
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	if seconds := r.options.TimeoutSeconds; seconds != nil && *seconds > 0 {
		w.deadline = now.Add(time.Duration(*seconds) * time.Second)
	}
	if err := w.beginLocked(rv, now); err != nil {
		return nil, err
	}
	s.watchers = append(s.watchers, w)
	return &answer{code: http.StatusOK, watch: w}, nil
}

// beginLocked queues what there is to see at the beginning.
func (w *watcher) beginLocked(rv uint64, now time.Time) error {
	current, asked := &w.s.store, w.r.options.SendInitialEvents
	initial := asked != nil && *asked
	switch {
	case initial && rv > current.rv:
		return futureVersion(rv, current.rv)
	case initial:
		return w.stateLocked(now, w.r.options.AllowWatchBookmarks)
	case rv == 0 && asked == nil:
		return w.stateLocked(now, false)
	case rv == 0: // From now on.
	case rv < current.compacted:
		w.endLocked(watchExpired(rv, current.compacted), io.EOF)
	default:
		for _, e := range current.since(rv) {
			if err := w.pushLocked(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// stateLocked queues all objects as if they had just been added, and the bookmark
// that ends such a list.
func (w *watcher) stateLocked(now time.Time, mark bool) error {
	for _, o := range w.s.store.snapshot(w.r.kind.storage(), w.s.store.rv) {
		if w.r.selects(o) {
			if err := w.queueLocked(now, watch.Added, o); err != nil {
				return err
			}
		}
	}
	if mark {
		w.queue = append(w.queue, frame{now, w.bookmarkLocked(map[string]string{metav1.InitialEventsAnnotationKey: "true"})})
	}
	return nil
}

// broadcastLocked tells every watch of a change that has not been ended.
func (s *Server) broadcastLocked(e event) error {
	for _, w := range s.watchers {
		if w.end != nil {
			continue
		}
		if err := w.pushLocked(e); err != nil {
			return err
		}
	}
	return nil
}

// pushLocked queues what the watch sees of a change: an object that begins or ceases
// to match its selectors is added or deleted for it.
func (w *watcher) pushLocked(e event) error {
	if e.resource != w.r.kind.storage() {
		return nil
	}
	is, was := e.obj != nil && w.r.selects(e.obj), e.prev != nil && w.r.selects(e.prev)
	due := e.at.Add(w.s.delayLocked(w.r))
	switch {
	case is && was:
		return w.queueLocked(due, watch.Modified, e.obj)
	case is:
		return w.queueLocked(due, watch.Added, e.obj)
	case was:
		last, err := e.prev.at(e.rv)
		if err != nil {
			return err
		}
		return w.queueLocked(due, watch.Deleted, last)
	}
	return nil
}

// queueLocked adds to the stream. Frames leave in this order: one that is due waits
// for one before it that is not.
func (w *watcher) queueLocked(due time.Time, typ watch.EventType, o *object) error {
	text, err := o.as(w.r.kind)
	if err != nil {
		return err
	}
	w.queue = append(w.queue, frame{due, line(typ, text)})
	w.wakeUp()
	return nil
}

func line(typ watch.EventType, object []byte) []byte {
	text := append([]byte(`{"type":"`+string(typ)+`","object":`), object...)
	return append(text, '}', '\n')
}

func (w *watcher) bookmarkLocked(annotations map[string]string) []byte {
	text, _ := json.Marshal(map[string]any{ // Strings always have a JSON form.
		"kind": w.r.kind.Kind, "apiVersion": w.r.kind.gvk().GroupVersion().String(),
		"metadata": metav1.ObjectMeta{ResourceVersion: strconv.FormatUint(w.s.store.rv, 10), Annotations: annotations},
	})
	return line(watch.Bookmark, text)
}

// endWatchesLocked ends the watches that match.
func (s *Server) endWatchesLocked(m Match, last *apierrors.StatusError, end error) {
	for _, w := range s.watchers {
		if m.matches(w.r) {
			w.endLocked(last, end)
		}
	}
}

// endLocked ends the stream, if not yet ended: with an error event, or with what was
// queued lost on the way.
func (w *watcher) endLocked(last *apierrors.StatusError, end error) {
	if w.end != nil {
		return
	}
	w.queue, w.end = nil, end
	if last != nil {
		text, _ := json.Marshal(statusOf(last)) // A Status always has a JSON form.
		w.queue = []frame{{time.Now(), line(watch.Error, text)}}
	}
	w.wakeUp()
}

func (w *watcher) wakeUp() {
	// Whoever finds the channel full has been told already.
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Read implements [io.Reader].
func (w *watcher) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		text, until, err := w.next(time.Now())
		if err != nil {
			return 0, err
		}
		if w.rest = text; len(text) > 0 {
			break
		}
		if err := w.sleep(until); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// next returns the frame that is due, or the time at which to look again: zero when
// only a wake-up can bring something.
func (w *watcher) next(now time.Time) (text []byte, until time.Time, err error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	bookmarks := w.r.options.AllowWatchBookmarks && len(w.queue) == 0 // Never ahead of an event.
	switch {
	case len(w.queue) > 0 && !w.queue[0].due.After(now):
		text, w.queue = w.queue[0].text, w.queue[1:]
		return text, until, nil
	case w.end != nil:
		return nil, until, w.end
	case !w.deadline.IsZero() && !now.Before(w.deadline):
		w.end = io.EOF
		if !bookmarks {
			return nil, until, w.end
		}
		// A watch that ends in time says how far it came.
		return w.bookmarkLocked(nil), until, nil
	case bookmarks && !now.Before(w.bookmark):
		w.bookmark = now.Add(w.s.opts.Bookmarks)
		return w.bookmarkLocked(nil), until, nil
	}
	return nil, w.nextTimeLocked(bookmarks), nil
}

// nextTimeLocked is when something will be due that is known by now.
func (w *watcher) nextTimeLocked(bookmarks bool) time.Time {
	next := w.deadline
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if len(w.queue) > 0 {
		earlier(w.queue[0].due)
	}
	if bookmarks {
		earlier(w.bookmark)
	}
	return next
}

// sleep waits for something to be due.
func (w *watcher) sleep(until time.Time) error {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		due = timer.C
	}
	// Several of these can happen at once; each leads to a fresh look.
	select {
	case <-w.closed:
		return http.ErrBodyReadAfterClose
	case <-w.canceled:
		return context.Canceled
	case <-w.wake:
	case <-due:
	}
	return nil
}

// Close implements [io.Closer].
func (w *watcher) Close() error {
	w.once.Do(func() { close(w.closed) })
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.watchers = slices.DeleteFunc(w.s.watchers, func(other *watcher) bool { return other == w })
	return nil
}

var _ io.ReadCloser = (*watcher)(nil)
