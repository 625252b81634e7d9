package awssim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// world is what the accounts behind one endpoint share.
type world struct {
	mu        sync.Mutex // guards all below; taken under any Sim.mu, and none under it
	accounts  map[string]*Sim
	order     []*Sim          // the first one is whose endpoint it is
	roles     map[string]Role // by ARN
	authority authority       // has a lock of its own
	sessions  map[string]session
}

// session is what an access key of a role stands for.
type session struct {
	sim     *Sim
	token   string
	arn     string
	expires time.Time
}

// Role is a role that everybody behind the endpoint may assume.
type Role struct {
	Name       string // in the account that has it
	ExternalID string // what the caller has to say; "": nothing, and anything will do
	Denied     bool   // nobody may assume it
}

// AddAccount makes another account behind the same endpoint, with resources and token
// buckets of its own. Calls reach it with the credentials of one of its roles, see
// SetRole. What o leaves out of Region, Listen, Dial and Log is as in s. Run of s runs
// it too, if it is there by then.
func (s *Sim) AddAccount(o Options) (*Sim, error) {
	if o.AccountID == "" || s.Account(o.AccountID) != nil {
		return nil, fmt.Errorf("account %q has no number of its own", o.AccountID)
	}
	o.Region = orElse(o.Region, s.opts.Region)
	if o.Listen == nil {
		o.Listen = s.opts.Listen
	}
	if o.Dial == nil {
		o.Dial = s.opts.Dial
	}
	if o.Log == nil {
		o.Log = s.opts.Log
	}
	return newInWorld(o, s.world)
}

// Account is the account with that number behind the endpoint of s, nil if there is
// none.
func (s *Sim) Account(id string) *Sim { return s.world.account(id) }

// SetRole gives an account a role, or replaces that with the same name, and returns
// its ARN. Credentials that were handed out stay valid.
func (s *Sim) SetRole(r Role) (arn string) {
	arn = fmt.Sprintf("arn:aws:iam::%s:role/%s", s.opts.AccountID, r.Name)
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.roles[arn] = r
	return arn
}

// ObserverOf is the access key of those who only look at an account, like
// ObserverKeyID at the one whose endpoint it is.
func ObserverOf(accountID string) string { return ObserverKeyID + "-" + accountID }

func (q *request) observes() bool {
	return q.actor == ObserverKeyID || strings.HasPrefix(q.actor, ObserverKeyID+"-")
}

// accountOf is the account that a call is for: that of the session whose credentials
// signed it, else the one whose endpoint it reached.
func (s *Sim) accountOf(q *request) (*Sim, error) {
	if id, ok := strings.CutPrefix(q.actor, ObserverKeyID+"-"); ok {
		if a := s.Account(id); a != nil {
			return a, nil
		}
		return nil, errToken("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	one, ok := s.world.session(q.actor)
	switch {
	case !ok && (q.token == "" || !strings.HasPrefix(q.actor, sessionKeyPrefix)):
		// Keys of somebody whom the account knows; with a token, of a session from elsewhere.
		return s, nil
	case !ok || q.token != one.token:
		return nil, errToken("InvalidClientTokenId", "The security token included in the request is invalid.")
	case !time.Now().Before(one.expires):
		return nil, errToken("ExpiredToken", "The security token included in the request is expired")
	}
	return one.sim, nil
}

func errToken(code, message string) error { return &apiError{http.StatusForbidden, code, message} }

// refuse answers a call that is no account's, and records it at s.
func (s *Sim) refuse(q *request, err error) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.concludeLocked(q, false, nil, err)
}

func (w *world) account(id string) *Sim {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accounts[id]
}

// all are the accounts, the first one first.
func (w *world) all() []*Sim {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*Sim(nil), w.order...)
}

func (w *world) add(s *Sim) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.accounts[s.opts.AccountID] != nil {
		return errors.New("the account exists")
	}
	w.accounts[s.opts.AccountID] = s
	w.order = append(w.order, s)
	return nil
}

func (w *world) session(key string) (session, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, ok := w.sessions[key]
	return one, ok
}

// assume notes a session of a role, unless the role refuses it.
func (w *world) assume(arn, externalID, key string, one session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.roles[arn]
	if !ok || r.Denied || r.ExternalID != "" && r.ExternalID != externalID {
		return false
	}
	w.sessions[key] = one
	return true
}

// prefixOf sets the identifiers of another account apart from those of the first one.
func (w *world) prefixOf(accountID string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return ""
	}
	return accountID + "/"
}
