package kubesim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func (s *Server) patchLocked(r *request) (*answer, error) {
	accepted := []string{string(types.JSONPatchType), string(types.MergePatchType)}
	if r.kind.typed {
		accepted = append(accepted, string(types.StrategicMergePatchType))
	}
	existing := s.store.get(r.kind.storage(), r.key())
	if existing == nil {
		return nil, apierrors.NewNotFound(r.kind.resource(), r.name)
	}
	text, err := existing.as(r.kind)
	if err != nil {
		return nil, err
	}
	var next *unstructured.Unstructured
	switch {
	case r.contentType == string(types.JSONPatchType):
		next, err = r.jsonPatch(text)
	case r.contentType == string(types.MergePatchType):
		next, err = r.mergePatch(text)
	case r.contentType == string(types.StrategicMergePatchType) && r.kind.typed:
		next, err = r.strategicPatch(text)
	default:
		err = unsupportedMediaType(accepted)
	}
	if err != nil {
		return nil, err
	}
	if err := r.matchNamespace(next); err != nil {
		return nil, err
	}
	if err := r.matchName(next); err != nil {
		return nil, err
	}
	return s.replaceLocked(r, next, existing)
}

func (r *request) jsonPatch(text []byte) (*unstructured.Unstructured, error) {
	patch, err := jsonpatch.DecodePatch(r.body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	patched, err := patch.Apply(text)
	if err != nil {
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: "the server rejected our request due to an error in our request", Details: &metav1.StatusDetails{},
		}}
	}
	return r.kind.decode(patched)
}

func (r *request) mergePatch(text []byte) (*unstructured.Unstructured, error) {
	patched, err := jsonpatch.MergePatch(text, r.body)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	}
	return r.kind.decode(patched)
}

func (r *request) strategicPatch(text []byte) (*unstructured.Unstructured, error) {
	var current, patch map[string]any
	if err := utiljson.Unmarshal(r.body, &patch); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := utiljson.Unmarshal(text, &current); err != nil {
		return nil, err
	}
	typed, err := scheme.Scheme.New(r.kind.gvk())
	if err != nil {
		return nil, err
	}
	patched, err := strategicpatch.StrategicMergeMapPatch(current, patch, typed)
	switch {
	case errors.Is(err, mergepatch.ErrBadJSONDoc), errors.Is(err, mergepatch.ErrBadPatchFormatForPrimitiveList),
		errors.Is(err, mergepatch.ErrBadPatchFormatForRetainKeys), errors.Is(err, mergepatch.ErrBadPatchFormatForSetElementOrderList):
		return nil, apierrors.NewBadRequest(err.Error())
	case err != nil:
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", r.kind.resource(), "", err.Error(), 0, false)
	}
	return r.kind.canonical(patched)
}

func unsupportedMediaType(accepted []string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: "the body of the request was in an unknown format - accepted media types include: " + strings.Join(accepted, ", "),
	}}
}
