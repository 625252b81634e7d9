package kubesim

import (
	"encoding/json"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes/scheme"
)

// object is one version of one object in its stored form. Nothing in it changes any
// more, so that readers need neither the lock nor a copy.
type object struct {
	u      *unstructured.Unstructured
	kind   *Kind // of the stored form
	key    string
	rv     uint64
	json   []byte
	labels labels.Set
	fields fields.Set
}

func newObject(kind *Kind, u *unstructured.Unstructured, rv uint64) (*object, error) {
	u.SetResourceVersion(strconv.FormatUint(rv, 10))
	text, err := json.Marshal(u.Object)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", u.GetName(), err)
	}
	return &object{
		u: u, kind: kind, key: objectKey(u.GetNamespace(), u.GetName()), rv: rv,
		json: text, labels: u.GetLabels(), fields: kind.fieldsOf(u),
	}, nil
}

// objectKey orders objects as etcd does.
func objectKey(namespace, name string) string { return namespace + "/" + name }

// at is o with another resource version: how an object left is told with the
// version of its leaving.
func (o *object) at(rv uint64) (*object, error) { return newObject(o.kind, o.u.DeepCopy(), rv) }

// as encodes o as kind, which is the stored kind or a view of it.
func (o *object) as(kind *Kind) ([]byte, error) {
	if kind == o.kind {
		return o.json, nil
	}
	return json.Marshal(kind.fromStored(o.u).Object)
}

// decode reads the JSON of one object of kind.
func (k *Kind) decode(text []byte) (*unstructured.Unstructured, error) {
	var m map[string]any
	if err := utiljson.Unmarshal(text, &m); err != nil || m == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s): %v", k.Kind, err))
	}
	apiVersion, _ := m["apiVersion"].(string)
	if want := k.gvk().GroupVersion().String(); apiVersion != "" && apiVersion != want {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)", apiVersion, want))
	}
	return k.canonical(m)
}

// canonical passes m through the Go type of the kind, if there is one: what the type
// does not know is dropped, and what it leaves out when empty is gone.
func (k *Kind) canonical(m map[string]any) (*unstructured.Unstructured, error) {
	if k.typed {
		typed, err := scheme.Scheme.New(k.gvk())
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, typed); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", k.Kind, k.Version, k.Kind, err))
		}
		if m, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(k.gvk())
	if metadata, ok := m["metadata"].(map[string]any); ok {
		for name, value := range metadata {
			if value == nil {
				delete(metadata, name)
			}
		}
	}
	u.SetManagedFields(nil)
	return u, nil
}

// toStored turns u, of kind k, into the form that is kept.
func (k *Kind) toStored(stored *Kind, u *unstructured.Unstructured) *unstructured.Unstructured {
	if k.view == nil {
		return u
	}
	renamed := rename(u.Object, k.view.rename)
	renamed.SetGroupVersionKind(stored.gvk())
	return renamed
}

// fromStored is the other way round.
func (k *Kind) fromStored(u *unstructured.Unstructured) *unstructured.Unstructured {
	if k.view == nil {
		return u
	}
	back := map[string]string{}
	for here, there := range k.view.rename {
		back[there] = here
	}
	renamed := rename(u.Object, back)
	renamed.SetGroupVersionKind(k.gvk())
	return renamed
}

func rename(m map[string]any, names map[string]string) *unstructured.Unstructured {
	out := make(map[string]any, len(m))
	for name, value := range m {
		if to, ok := names[name]; ok {
			name = to
		}
		out[name] = value
	}
	return &unstructured.Unstructured{Object: out}
}
