package metrics

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxAddresses is how many targets the page lists: 10,000 are about 0.7 MB. Groups
// share them evenly, and what is left out is in the JSON.
const maxAddresses = 10_000

//go:embed targets.html
var targetsSource string

// targetsTemplate makes the page. It escapes all that it is given.
var targetsTemplate = template.Must(template.New("targets").Funcs(template.FuncMap{
	"number": func(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") },
	"count":  count,
	"rfc":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"clock":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).Parse(targetsSource))

// contentSecurityPolicy allows the page its own style and its form, and nothing else:
// what a name or an error text smuggles in does not run, and loads nothing.
var contentSecurityPolicy = func() string {
	_, style, _ := strings.Cut(targetsSource, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// handleTargets serves the page.
func (s *Server) handleTargets(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer // an error must not come after half of the page
	if err := targetsTemplate.Execute(&page, viewOf(s.Page(), filterOf(r))); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy)
	send(w, "text/html; charset=utf-8", page.Bytes())
}

// handleTargetsJSON serves the same for programs.
func (s *Server) handleTargetsJSON(w http.ResponseWriter, r *http.Request) {
	p := s.Page()
	p.Groups = filterOf(r).choose(p.Groups)
	text, err := json.Marshal(p)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	send(w, "application/json", text)
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // whoever asked is gone
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.Log.ErrorContext(r.Context(), "cannot show the targets", slog.String("path", r.URL.Path), slog.Any("error", err))
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// filter chooses groups: those in a state, with all words of a text.
type filter struct{ Text, State string }

// filterOf returns what a request asks for: q is the text, state the state.
func filterOf(r *http.Request) filter {
	q := r.URL.Query()
	return filter{Text: strings.TrimSpace(q.Get("q")), State: q.Get("state")}
}

// choose returns the groups that fit. It is never nil.
func (f filter) choose(groups []TargetGroup) []TargetGroup {
	words := strings.Fields(strings.ToLower(f.Text))
	chosen := make([]TargetGroup, 0, len(groups))
	for i := range groups {
		if (f.State == "" || groups[i].State == f.State) && groups[i].has(words) {
			chosen = append(chosen, groups[i])
		}
	}
	return chosen
}

// has reports whether each word is in a name of the group, or of one of its targets.
func (g *TargetGroup) has(words []string) bool {
	for _, word := range words {
		in := func(text string) bool { return strings.Contains(strings.ToLower(text), word) }
		named := slices.ContainsFunc([]string{g.Name, g.Service + ":" + g.ServicePort, g.Stack, g.ARN, g.Role}, in)
		if !named && !slices.ContainsFunc(g.Targets, func(t Target) bool { return in(t.Address) || in(t.Pod) }) {
			return false
		}
	}
	return true
}
