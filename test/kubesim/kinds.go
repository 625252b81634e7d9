package kubesim

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Kind is a row of the table of what the server serves. One that client-go's scheme
// does not know behaves like the kind of a CustomResourceDefinition: it is not
// updated without a resource version, knows no strategic merge patch, and its status
// subresource changes the status alone.
type Kind struct {
	Group, Version, Kind string
	Resource             string // plural, as in the URL
	Namespaced           bool

	// Status: there is a status subresource, and the resource itself ignores status.
	Status bool

	// Fields are the field selectors beside metadata.name and metadata.namespace,
	// each with the path of its value: "spec.nodeName".
	Fields map[string]string

	typed          bool // client-go's scheme knows it
	graceful       bool // deletion waits for a grace period
	createOnUpdate bool // PUT of an object that is not there creates it
	mustVersion    bool // PUT without a resource version is refused
	keepStatus     bool // creation may set the status
	generation     generation
	firstStatus    map[string]any
	etcd           string // where its keys begin in etcd; empty: Resource
	view           *view
}

// generation says what counts a kind's metadata.generation up.
type generation int

const (
	noGeneration  generation = iota
	onSpec                   // all but metadata and status
	onSpecOrLabel            // the same and the labels
)

// view makes a kind another form of a stored one.
type view struct {
	of     schema.GroupResource
	rename map[string]string // top-level field here: there
	fields map[string]string // field selector here: there
}

// builtin are the kinds that every server has.
var builtin = []Kind{
	{Version: "v1", Kind: "Namespace", Resource: "namespaces", Status: true, firstStatus: map[string]any{"phase": "Active"}, Fields: same("status.phase")},
	{Version: "v1", Kind: "Node", Resource: "nodes", Status: true, keepStatus: true, etcd: "minions", Fields: same("spec.unschedulable")},
	{
		Version: "v1", Kind: "Pod", Resource: "pods", Namespaced: true, Status: true, graceful: true, generation: onSpec,
		firstStatus: map[string]any{"phase": "Pending"},
		Fields:      same("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase", "status.podIP", "status.nominatedNodeName"),
	},
	{Version: "v1", Kind: "Service", Resource: "services", Namespaced: true, Status: true, etcd: "services/specs", Fields: same("spec.clusterIP", "spec.type")},
	{Version: "v1", Kind: "ConfigMap", Resource: "configmaps", Namespaced: true},
	{
		Version: "v1", Kind: "Event", Resource: "events", Namespaced: true, createOnUpdate: true,
		Fields: pathOf("source", "source.component", same("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
			"involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "type")),
	},
	{
		Group: "events.k8s.io", Version: "v1", Kind: "Event", Resource: "events", Namespaced: true, createOnUpdate: true,
		view: &view{
			of: schema.GroupResource{Resource: "events"},
			rename: map[string]string{
				"regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent", "deprecatedSource": "source",
				"deprecatedFirstTimestamp": "firstTimestamp", "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
			},
			fields: map[string]string{
				"regarding.kind": "involvedObject.kind", "regarding.namespace": "involvedObject.namespace", "regarding.name": "involvedObject.name",
				"regarding.uid": "involvedObject.uid", "regarding.apiVersion": "involvedObject.apiVersion", "regarding.resourceVersion": "involvedObject.resourceVersion",
				"regarding.fieldPath": "involvedObject.fieldPath", "reportingController": "reportingComponent", "reason": "reason", "type": "type",
			},
		},
	},
	{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Resource: "endpointslices", Namespaced: true, generation: onSpecOrLabel},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress", Resource: "ingresses", Namespaced: true, Status: true, generation: onSpec, etcd: "ingress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass", Resource: "ingressclasses", generation: onSpec},
	{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Resource: "leases", Namespaced: true, createOnUpdate: true, mustVersion: true},
}

func same(names ...string) map[string]string {
	m := map[string]string{}
	for _, name := range names {
		m[name] = name
	}
	return m
}

func pathOf(name, path string, others map[string]string) map[string]string {
	others[name] = path
	return others
}

// complete derives what follows from the rest of the row.
func (k Kind) complete() *Kind {
	k.typed = scheme.Scheme.Recognizes(k.gvk())
	if !k.typed {
		k.mustVersion, k.generation = true, onSpec
		k.etcd = k.Group + "/" + k.Resource
	}
	k.etcd = cmp.Or(k.etcd, k.Resource)
	return &k
}

func (k *Kind) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

func (k *Kind) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Resource}
}

// resource names the kind in errors.
func (k *Kind) resource() schema.GroupResource { return k.gvr().GroupResource() }

// storage is where objects of the kind are kept.
func (k *Kind) storage() schema.GroupResource {
	if k.view != nil {
		return k.view.of
	}
	return k.resource()
}

// fieldsOf are the values that field selectors see.
func (k *Kind) fieldsOf(u *unstructured.Unstructured) fields.Set {
	set := fields.Set{"metadata.name": u.GetName(), "metadata.namespace": u.GetNamespace()}
	for name, path := range k.Fields {
		value, found, err := unstructured.NestedFieldNoCopy(u.Object, strings.Split(path, ".")...)
		if err != nil || !found {
			// An absent boolean is false, and everything else that can be selected is
			// a string.
			value = map[bool]string{true: "false"}[path == "spec.unschedulable"]
		}
		set[name] = fmt.Sprint(value)
	}
	return set
}

// selector returns sel in the names of the stored kind.
func (k *Kind) selector(sel fields.Selector) (fields.Selector, error) {
	if sel == nil {
		return fields.Everything(), nil
	}
	known := map[string]string{"metadata.name": "metadata.name"}
	if k.Namespaced || !k.ownFields() {
		known["metadata.namespace"] = "metadata.namespace"
	}
	for name := range k.Fields {
		known[name] = name
	}
	if k.view != nil {
		maps.Copy(known, k.view.fields)
	}
	sel, err := sel.Transform(func(name, value string) (string, string, error) {
		if known[name] == "" {
			return "", "", k.unknownField(name)
		}
		return known[name], value, nil
	})
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return sel, nil
}

// ownFields reports whether the kind has rules of its own for field selectors, and
// not those that built-in kinds have by default.
func (k *Kind) ownFields() bool { return !k.typed || k.view != nil || len(k.Fields) > 0 }

// unknownField depends on who refuses the field.
func (k *Kind) unknownField(name string) error {
	if k.ownFields() {
		return fmt.Errorf("field label not supported: %s", name)
	}
	return fmt.Errorf("%q is not a known field selector: only %q, %q", name, "metadata.name", "metadata.namespace")
}
