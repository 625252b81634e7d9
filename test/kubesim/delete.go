package kubesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

func (r *request) deleteOptions() (metav1.DeleteOptions, error) {
	var o metav1.DeleteOptions
	if len(r.body) == 0 {
		return o, nil
	}
	if err := utiljson.Unmarshal(r.body, &o); err != nil {
		return o, apierrors.NewBadRequest(err.Error())
	}
	if len(o.DryRun) > 0 {
		return o, apierrors.NewBadRequest("the simulated API server has no dry run")
	}
	return o, nil
}

func (s *Server) deleteLocked(r *request) (*answer, error) {
	options, err := r.deleteOptions()
	if err != nil {
		return nil, err
	}
	existing := s.store.get(r.kind.storage(), r.key())
	if existing == nil {
		return nil, apierrors.NewNotFound(r.kind.resource(), r.name)
	}
	left, err := s.removeLocked(r.kind, existing, options)
	if err != nil {
		return nil, err
	}
	if left != nil {
		return found(r, left, http.StatusOK)
	}
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: r.name, Group: r.kind.Group, Kind: r.kind.Resource, UID: existing.u.GetUID()},
	})
	return &answer{code: http.StatusOK, body: body}, err
}

// deleteCollectionLocked deletes one after the other, as a real server does.
func (s *Server) deleteCollectionLocked(r *request) (*answer, error) {
	options, err := r.deleteOptions()
	if err != nil {
		return nil, err
	}
	list, err := s.listLocked(r)
	if err != nil {
		return nil, err
	}
	for _, o := range s.store.snapshot(r.kind.storage(), s.store.rv) {
		if !r.selects(o) {
			continue
		}
		if _, err := s.removeLocked(r.kind, o, options); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// removeLocked deletes an object, or marks it when something keeps it: then that
// is what is left.
func (s *Server) removeLocked(k *Kind, existing *object, options metav1.DeleteOptions) (*object, error) {
	if err := checkPreconditions(k, existing.u, options.Preconditions); err != nil {
		return nil, err
	}
	next := existing.u.DeepCopy()
	graceful, pending := markGraceful(k, next, options.GracePeriodSeconds)
	kept := len(next.GetFinalizers()) > 0
	switch {
	case pending:
		return existing, nil
	case !graceful && !kept:
		return s.commitLocked(k, nil, existing)
	case !graceful:
		markFinalizing(next)
	}
	// A graceful deletion without grace is two changes on a real server too: pods are
	// seen to terminate before they are gone.
	left := existing
	if !sameObject(next, existing.u) {
		var err error
		if left, err = s.commitLocked(k, next, existing); err != nil {
			return nil, err
		}
	}
	if kept || *next.GetDeletionGracePeriodSeconds() > 0 {
		return left, nil
	}
	return s.commitLocked(k, nil, left)
}

// checkPreconditions says which kind, not which resource, conflicts: real servers do.
func checkPreconditions(k *Kind, u *unstructured.Unstructured, want *metav1.Preconditions) error {
	resource := schema.GroupResource{Group: k.Group, Resource: k.Kind}
	switch {
	case want == nil:
		return nil
	case want.UID != nil && *want.UID != u.GetUID():
		return apierrors.NewConflict(resource, u.GetName(), fmt.Errorf(
			"the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *want.UID, u.GetUID()))
	case want.ResourceVersion != nil && *want.ResourceVersion != u.GetResourceVersion():
		return apierrors.NewConflict(resource, u.GetName(), fmt.Errorf(
			"the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified", *want.ResourceVersion, u.GetResourceVersion()))
	}
	return nil
}

// markGraceful begins a graceful deletion, or shortens one. It is pending when there
// is nothing to shorten.
func markGraceful(k *Kind, u *unstructured.Unstructured, asked *int64) (graceful, pending bool) {
	if !k.graceful {
		return false, false
	}
	if asked != nil && *asked < 0 {
		asked = new(int64(1))
	}
	deadline, left := u.GetDeletionTimestamp(), u.GetDeletionGracePeriodSeconds()
	now := time.Now()
	switch {
	case deadline == nil:
		grace := gracePeriod(u, asked)
		mark(u, now.Add(time.Duration(grace)*time.Second), grace)
		if u.GetGeneration() > 0 {
			u.SetGeneration(u.GetGeneration() + 1)
		}
		return true, false
	case left == nil || *left == 0:
		return false, false
	case asked == nil || *asked >= *left:
		return false, true
	}
	grace := *asked
	at := deadline.Add(time.Duration(grace-*left) * time.Second)
	if at.Before(now) {
		at, grace = now, min(grace, 1)
	}
	mark(u, at, grace)
	return true, false
}

// gracePeriod is what the client asked for, or what the object says. Nobody waits for
// one that runs nowhere or has ended.
func gracePeriod(u *unstructured.Unstructured, asked *int64) int64 {
	node, _, _ := unstructured.NestedString(u.Object, "spec", "nodeName")
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	if node == "" || phase == "Succeeded" || phase == "Failed" {
		return 0
	}
	if asked != nil {
		return *asked
	}
	grace, ok, err := unstructured.NestedInt64(u.Object, "spec", "terminationGracePeriodSeconds")
	if !ok || err != nil {
		return 30 // What a real server writes into the object by default.
	}
	return max(grace, 0)
}

// markFinalizing is for a kind without grace.
func markFinalizing(u *unstructured.Unstructured) {
	if u.GetDeletionTimestamp() == nil && u.GetGeneration() > 0 {
		u.SetGeneration(u.GetGeneration() + 1)
	}
	at := time.Now()
	if before := u.GetDeletionTimestamp(); before != nil && !before.After(at) {
		at = before.Time
	}
	mark(u, at, 0)
}

func mark(u *unstructured.Unstructured, at time.Time, grace int64) {
	u.SetDeletionTimestamp(new(metav1.NewTime(at)))
	u.SetDeletionGracePeriodSeconds(&grace)
}
