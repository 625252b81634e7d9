package kubesim

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// request is a call after parsing.
type request struct {
	verb      string // get list watch create update patch delete deletecollection
	kind      *Kind
	resource  string // also when the kind is unknown
	sub       string // subresource
	namespace string
	name      string

	userAgent   string
	contentType string
	body        []byte
	dry         bool // nothing is kept
	options     internalversion.ListOptions
	labels      labels.Selector
	fields      fields.Selector
}

func (r *request) key() string { return objectKey(r.namespace, r.name) }

// selects reports whether o is among what the request asks for.
func (r *request) selects(o *object) bool {
	return (r.namespace == "" || r.namespace == o.u.GetNamespace()) && r.labels.Matches(o.labels) && r.fields.Matches(o.fields)
}

// target is what a path names.
type target struct {
	gvr                  schema.GroupVersionResource
	namespace, name, sub string
}

// parsePath reads /api/v1/... and /apis/GROUP/VERSION/...
func parsePath(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var t target
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		t.gvr.Version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		t.gvr.Group, t.gvr.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return t, false
	}
	// A namespace is itself an object, and has two subresources.
	if len(parts) >= 3 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		t.namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 3 {
		return t, false
	}
	parts = append(parts, "", "")
	t.gvr.Resource, t.name, t.sub = parts[0], parts[1], parts[2]
	return t, true
}

// verbs by method: of a collection, of one object.
var verbs = map[string][2]string{
	http.MethodGet:    {"list", "get"},
	http.MethodPost:   {"create", ""},
	http.MethodPut:    {"", "update"},
	http.MethodPatch:  {"", "patch"},
	http.MethodDelete: {"deletecollection", "delete"},
}

// parse never returns nil: what it understood is recorded with the error.
func (s *Server) parse(req *http.Request) (*request, error) {
	r := &request{userAgent: req.UserAgent(), verb: strings.ToLower(req.Method)}
	r.contentType, _, _ = strings.Cut(req.Header.Get("Content-Type"), ";")
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return r, apierrors.NewBadRequest(err.Error())
		}
		r.body = body
	}
	t, ok := parsePath(req.URL.Path)
	r.resource, r.sub, r.namespace, r.name = t.gvr.Resource, t.sub, t.namespace, t.name
	r.kind = s.kinds[t.gvr]
	if !ok || !r.exists() {
		return r, noSuchResource()
	}
	query := req.URL.Query()
	if !r.chooseVerb(req.Method, query.Get("watch")) {
		return r, methodNotAllowed()
	}
	if err := negotiate(req.Header); err != nil {
		return r, err
	}
	return r, r.parseOptions(query)
}

// exists reports whether there is something behind the path.
func (r *request) exists() bool {
	return r.kind != nil && (r.namespace == "" || r.kind.Namespaced) &&
		(r.sub == "" || r.sub == "status" && r.kind.Status)
}

// chooseVerb reports whether the method can be used on what the path names: one
// object is in a namespace, and a status is only read and changed.
func (r *request) chooseVerb(method, watch string) bool {
	of := 0
	if r.name != "" {
		of = 1
	}
	verb := verbs[method][of]
	if verb == "" {
		return false
	}
	if verb == "list" && (watch == "true" || watch == "1") {
		verb = "watch"
	}
	r.verb = verb
	one := r.name != "" || verb == "create"
	return (r.sub == "" || verb != "delete") && (!one || !r.kind.Namespaced || r.namespace != "")
}

func (r *request) parseOptions(query url.Values) error {
	if r.dry = query.Has("dryRun"); r.dry && !slices.Contains([]string{"create", "update", "patch"}, r.verb) {
		return apierrors.NewBadRequest("the simulated API server has no dry run of " + r.verb)
	}
	r.labels, r.fields = labels.Everything(), fields.Everything()
	if !slices.Contains([]string{"list", "watch", "deletecollection"}, r.verb) {
		r.options.ResourceVersion = query.Get("resourceVersion")
		return nil
	}
	if err := internalscheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, &r.options); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if errs := validation.ValidateListOptions(&r.options, true); len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	if r.options.LabelSelector != nil {
		r.labels = r.options.LabelSelector
	}
	var err error
	r.fields, err = r.kind.selector(r.options.FieldSelector)
	return err
}

// negotiate refuses what a client must not silently get as plain JSON.
func negotiate(h http.Header) error {
	for accept := range strings.SplitSeq(h.Get("Accept"), ",") {
		accept = strings.TrimSpace(accept)
		if accept == "" || accept == "*/*" || accept == "application/json" || strings.HasPrefix(accept, "application/json;stream") {
			return nil
		}
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: fmt.Sprintf("only application/json is served, not %q", h.Get("Accept")),
	}}
}
