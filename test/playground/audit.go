package playground

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Request is a request of a daemon as the API server saw it: one of the daemon's
// service account.
type Request struct {
	Verb        string
	Group       string
	Resource    string // with its subresource: ingresses/status
	Name        string // empty: none, or all
	Code        int    // status of the answer
	Forbidden   bool
	DryRun      bool   // nothing of it is kept
	AllowedBy   string // what RBAC said
	RequestedBy string // user agent
}

// auditEvent is what is read of a line of the audit log (audit.k8s.io/v1, Event).
type auditEvent struct {
	AuditID   string
	Verb      string
	UserAgent string
	// RequestURI is the path with the query.
	RequestURI string
	ObjectRef  struct{ APIGroup, Resource, Subresource, Name string }
	// A watch is written down when it begins and when it ends.
	ResponseStatus struct{ Code int }
	Annotations    map[string]string
}

// Requests returns all requests of daemons so far, oldest first.
func (s *Stack) Requests() ([]Request, error) {
	log, err := os.ReadFile(filepath.Join(s.dir, auditLogFile))
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	var requests []Request
	seen := map[string]bool{}
	for line := range bytes.Lines(log) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var e auditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if seen[e.AuditID] {
			continue
		}
		seen[e.AuditID] = true
		requests = append(requests, e.request())
	}
	return requests, nil
}

func (e *auditEvent) request() Request {
	r := Request{
		Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Name: e.ObjectRef.Name,
		Code: e.ResponseStatus.Code, DryRun: strings.Contains(e.RequestURI, "dryRun=All"), Forbidden: e.Annotations["authorization.k8s.io/decision"] == "forbid",
		AllowedBy: e.Annotations["authorization.k8s.io/reason"], RequestedBy: e.UserAgent,
	}
	if e.ObjectRef.Subresource != "" {
		r.Resource += "/" + e.ObjectRef.Subresource
	}
	return r
}
