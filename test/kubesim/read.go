package kubesim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// parseVersion reads a resource version of a client; empty is 0.
func parseVersion(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	rv, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", field.ErrorList{
			field.Invalid(field.NewPath("resourceVersion"), text, err.Error()),
		})
	}
	return rv, nil
}

func (s *Server) getLocked(r *request) (*answer, error) {
	rv, err := parseVersion(r.options.ResourceVersion)
	if err != nil {
		return nil, err
	}
	if rv > s.store.rv {
		return nil, futureVersion(rv, s.store.rv)
	}
	o := s.store.get(r.kind.storage(), r.key())
	if o == nil {
		return nil, apierrors.NewNotFound(r.kind.resource(), r.name)
	}
	return found(r, o, http.StatusOK)
}

// found answers with an object.
func found(r *request, o *object, code int) (*answer, error) {
	body, err := o.as(r.kind)
	if err != nil {
		return nil, err
	}
	return &answer{code: code, body: body}, nil
}

// page is which part of which state a list asks for.
type page struct {
	rv    uint64 // of the state
	start string // the key that it begins with
}

// continuation is the content of a continue token. A version of -1 goes on with the
// current state.
type continuation struct {
	RV    int64  `json:"rv"`
	Start string `json:"start"`
}

func (c continuation) token() string {
	text, _ := json.Marshal(c) // A number and a string always have a JSON form.
	return base64.RawURLEncoding.EncodeToString(text)
}

// pageLocked finds the state that the options name.
func (s *Server) pageLocked(r *request) (page, error) {
	if r.options.Continue != "" {
		return s.continueLocked(r.options.Continue)
	}
	rv, err := parseVersion(r.options.ResourceVersion)
	if err != nil {
		return page{}, err
	}
	if rv > s.store.rv {
		return page{}, futureVersion(rv, s.store.rv)
	}
	// A limit without a match once meant exactly this version, and still does.
	match := r.options.ResourceVersionMatch
	exact := match == metav1.ResourceVersionMatchExact || match == "" && rv > 0 && r.options.Limit > 0
	if !exact {
		return page{rv: s.store.rv}, nil
	}
	if rv < s.store.compacted {
		return page{}, apierrors.NewResourceExpired(listExpired)
	}
	return page{rv: rv}, nil
}

func (s *Server) continueLocked(token string) (page, error) {
	var c continuation
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.RV == 0 || c.RV > int64(s.store.rv) {
		return page{}, apierrors.NewBadRequest(fmt.Sprintf("continue key is not valid: %v", err))
	}
	if c.RV < 0 {
		return page{s.store.rv, c.Start}, nil
	}
	p := page{uint64(c.RV), c.Start}
	if p.rv < s.store.compacted {
		err := apierrors.NewResourceExpired(continueExpired)
		err.ErrStatus.Continue = continuation{-1, c.Start}.token()
		return page{}, err
	}
	return p, nil
}

func (s *Server) listLocked(r *request) (*answer, error) {
	p, err := s.pageLocked(r)
	if err != nil {
		return nil, err
	}
	objects := slices.DeleteFunc(s.store.snapshot(r.kind.storage(), p.rv), func(o *object) bool {
		return o.key < p.start || !r.selects(o)
	})
	list := struct {
		metav1.TypeMeta `json:",inline"`
		metav1.ListMeta `json:"metadata"`
		Items           []json.RawMessage `json:"items"`
	}{
		TypeMeta: metav1.TypeMeta{Kind: r.kind.Kind + "List", APIVersion: r.kind.gvk().GroupVersion().String()},
		ListMeta: metav1.ListMeta{ResourceVersion: strconv.FormatUint(p.rv, 10)},
		Items:    []json.RawMessage{},
	}
	// Version 0 is answered from the watch cache, which has no pages.
	if limit := int(r.options.Limit); limit > 0 && limit < len(objects) && r.options.ResourceVersion != "0" {
		list.Continue = continuation{int64(p.rv), objects[limit].key}.token()
		if r.labels.Empty() && r.fields.Empty() {
			list.RemainingItemCount = new(int64(len(objects) - limit))
		}
		objects = objects[:limit]
	}
	for _, o := range objects {
		item, err := o.as(r.kind)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, item)
	}
	body, err := json.Marshal(list)
	return &answer{code: http.StatusOK, body: body}, err
}
