package kubesim

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	genericvalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// stored is the kind in whose form objects of k are kept.
func (s *Server) stored(k *Kind) *Kind {
	if k.view == nil {
		return k
	}
	return s.kinds[k.view.of.WithVersion("v1")]
}

// commitLocked makes a change and tells every watch of it. It returns nil for an
// object that is gone.
func (s *Server) commitLocked(k *Kind, u *unstructured.Unstructured, prev *object) (*object, error) {
	if s.dry {
		return rehearse(s.stored(k), u, prev)
	}
	e, err := s.store.commit(s.stored(k), u, prev)
	if err != nil {
		return nil, err
	}
	return e.obj, s.broadcastLocked(e)
}

// rehearse returns what a change would make, with the version of what it would change.
func rehearse(k *Kind, u *unstructured.Unstructured, prev *object) (*object, error) {
	if u == nil {
		return nil, nil
	}
	if prev == nil {
		return newObject(k, u, 0)
	}
	return newObject(k, u, prev.rv)
}

// matchNamespace gives u the namespace of the request.
func (r *request) matchNamespace(u *unstructured.Unstructured) error {
	if have := u.GetNamespace(); have != "" && r.namespace != "" && have != r.namespace {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	u.SetNamespace(r.namespace)
	return nil
}

// nameProblems is the only rule that all kinds have for names: one can stand in a URL.
func nameProblems(name string, prefix bool) []string {
	if prefix {
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

// nameAttempts is how often a generated name is generated again when it is taken.
const nameAttempts = 8

func (s *Server) createLocked(r *request) (*answer, error) {
	u, err := r.kind.decode(r.body)
	if err != nil {
		return nil, err
	}
	o, err := s.insertLocked(r, u)
	if err != nil {
		return nil, err
	}
	return found(r, o, http.StatusCreated)
}

// insertLocked stores an object that should not be there yet.
func (s *Server) insertLocked(r *request, u *unstructured.Unstructured) (*object, error) {
	if err := r.matchNamespace(u); err != nil {
		return nil, err
	}
	if u.GetResourceVersion() != "" {
		return nil, errors.New("resourceVersion should not be set on objects to be created")
	}
	generated := u.GetName() == "" && u.GetGenerateName() != ""
	for range nameAttempts {
		if generated {
			u.SetName(u.GetGenerateName() + s.store.suffix(r.kind.storage(), u.GetGenerateName()))
		}
		if s.store.get(r.kind.storage(), objectKey(u.GetNamespace(), u.GetName())) == nil || !generated {
			break
		}
	}
	s.prepareCreateLocked(r.kind, u)
	errs := genericvalidation.ValidateObjectMetaAccessor(u, r.kind.Namespaced, nameProblems, field.NewPath("metadata"))
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(r.kind.gvk().GroupKind(), u.GetName(), errs)
	}
	if existing := s.store.get(r.kind.storage(), objectKey(u.GetNamespace(), u.GetName())); existing != nil {
		err := apierrors.NewAlreadyExists(r.kind.resource(), u.GetName())
		if existing.u.GetDeletionTimestamp() != nil {
			err.ErrStatus.Message = "object is being deleted: " + err.ErrStatus.Message
		}
		return nil, err
	}
	return s.commitLocked(r.kind, r.kind.toStored(s.stored(r.kind), u), nil)
}

// prepareCreateLocked sets what belongs to the server.
func (s *Server) prepareCreateLocked(k *Kind, u *unstructured.Unstructured) {
	u.SetUID(s.store.uid(k.storage(), objectKey(u.GetNamespace(), u.GetName())))
	u.SetCreationTimestamp(metav1.NewTime(time.Now()))
	u.SetDeletionTimestamp(nil)
	u.SetDeletionGracePeriodSeconds(nil)
	if k.generation != noGeneration { // Elsewhere it is the client's.
		u.SetGeneration(1)
	}
	if k.Status && !k.keepStatus {
		delete(u.Object, "status")
		if k.firstStatus != nil {
			u.Object["status"] = maps.Clone(k.firstStatus)
		} else if k.typed {
			// The Go types of these kinds write an empty status.
			u.Object["status"] = map[string]any{}
		}
	}
}

func (s *Server) updateLocked(r *request) (*answer, error) {
	u, err := r.kind.decode(r.body)
	if err != nil {
		return nil, err
	}
	if err := r.matchNamespace(u); err != nil {
		return nil, err
	}
	if err := r.matchName(u); err != nil {
		return nil, err
	}
	existing := s.store.get(r.kind.storage(), r.key())
	if existing == nil && !r.kind.createOnUpdate {
		return nil, apierrors.NewNotFound(r.kind.resource(), r.name)
	}
	// A UID in an update is a precondition, also on there being an object at all.
	var uid string
	if existing != nil {
		uid = string(existing.u.GetUID())
	}
	if want := string(u.GetUID()); want != "" && want != uid {
		return nil, precondition(s.stored(r.kind), r.key(), r.name, "UID", want, uid)
	}
	if existing == nil {
		o, err := s.insertLocked(r, u)
		if err != nil {
			return nil, err
		}
		return found(r, o, http.StatusCreated)
	}
	return s.replaceLocked(r, u, existing)
}

func (r *request) matchName(u *unstructured.Unstructured) error {
	if u.GetName() != r.name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", u.GetName(), r.name))
	}
	return nil
}

// replaceLocked makes u, of the request's kind, the next version of an object.
func (s *Server) replaceLocked(r *request, u *unstructured.Unstructured, existing *object) (*answer, error) {
	if err := r.matchVersion(u, existing.u.GetResourceVersion()); err != nil {
		return nil, err
	}
	u = r.kind.toStored(existing.kind, u)
	u = prepareUpdate(existing.kind, r.sub, u, existing.u)
	errs := genericvalidation.ValidateObjectMetaAccessor(u, r.kind.Namespaced, nameProblems, field.NewPath("metadata"))
	errs = append(errs, genericvalidation.ValidateObjectMetaAccessorUpdate(u, existing.u, field.NewPath("metadata"))...)
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(r.kind.gvk().GroupKind(), r.name, errs)
	}
	o, err := existing, error(nil)
	switch {
	case finalized(u, existing.u):
		// The client sees what it asked for, as if it had been stored.
		if o, err = newObject(existing.kind, u, existing.rv); err == nil {
			_, err = s.commitLocked(r.kind, nil, existing)
		}
	case !sameObject(u, existing.u): // Otherwise it is no change, and no version.
		o, err = s.commitLocked(r.kind, u, existing)
	}
	if err != nil {
		return nil, err
	}
	return found(r, o, http.StatusOK)
}

// matchVersion gives u the current version, or finds that it is of another one.
func (r *request) matchVersion(u *unstructured.Unstructured, current string) error {
	switch have := u.GetResourceVersion(); {
	case have == current:
	case have != "":
		return apierrors.NewConflict(r.kind.resource(), r.name, errModified)
	case r.kind.mustVersion:
		kind := schema.GroupKind{Group: r.kind.Group, Kind: r.kind.Resource} // Real servers name the resource here.
		return apierrors.NewInvalid(kind, r.name, field.ErrorList{
			field.Invalid(field.NewPath("metadata").Child("resourceVersion"), uint64(0), "must be specified for an update"),
		})
	}
	u.SetResourceVersion(current)
	return nil
}

// finalized reports whether an update takes the last finalizer of a deleted object.
func finalized(next, old *unstructured.Unstructured) bool {
	grace := old.GetDeletionGracePeriodSeconds()
	return old.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 && (grace == nil || *grace == 0)
}

// prepareUpdate returns next with everything that the request may not change as it
// is in old.
func prepareUpdate(k *Kind, sub string, next, old *unstructured.Unstructured) *unstructured.Unstructured {
	switch {
	case sub == "status" && !k.typed:
		next = with(old.DeepCopy(), next, "status")
	case sub == "status":
		// The status of a built-in kind carries metadata along, for kubelets annotate.
		next = with(old.DeepCopy(), next, "status", "metadata")
	case k.Status:
		next = with(next, old, "status")
	}
	next.SetGeneration(old.GetGeneration())
	if next.GetUID() == "" {
		next.SetUID(old.GetUID())
	}
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	if next.GetDeletionGracePeriodSeconds() == nil {
		next.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	}
	if sub == "" && k.generation != noGeneration && specChanged(k, next, old) {
		next.SetGeneration(old.GetGeneration() + 1)
	}
	return next
}

// with takes top-level fields from another object.
func with(u, from *unstructured.Unstructured, names ...string) *unstructured.Unstructured {
	for _, name := range names {
		delete(u.Object, name)
		if value, ok := from.Object[name]; ok {
			u.Object[name] = runtime.DeepCopyJSONValue(value)
		}
	}
	return u
}

// specChanged reports whether a change counts the generation up.
func specChanged(k *Kind, next, old *unstructured.Unstructured) bool {
	body := func(u *unstructured.Unstructured) map[string]any {
		m := maps.Clone(u.Object)
		delete(m, "metadata")
		if k.Status {
			delete(m, "status")
		}
		return m
	}
	return !reflect.DeepEqual(body(next), body(old)) || k.generation == onSpecOrLabel && !maps.Equal(next.GetLabels(), old.GetLabels())
}

// sameObject reports whether a change changes nothing.
func sameObject(a, b *unstructured.Unstructured) bool { return reflect.DeepEqual(a.Object, b.Object) }
