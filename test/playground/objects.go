package playground

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// fieldManager owns what is applied.
const fieldManager = "playground"

// Apply applies a YAML text of any number of documents, as `kubectl apply
// --server-side` would. Namespaces come first, the rest in the order given.
func (s *Stack) Apply(ctx context.Context, text []byte) error {
	docs, err := decode(text)
	if err != nil {
		return err
	}
	return s.objects.apply(ctx, docs)
}

// Delete deletes the objects of a YAML text, last first, without waiting for their
// finalizers. What is gone already is no error.
func (s *Stack) Delete(ctx context.Context, text []byte) error {
	docs, err := decode(text)
	if err != nil {
		return err
	}
	for _, doc := range slices.Backward(docs) {
		client, err := s.objects.client(doc)
		if err != nil {
			return err
		}
		err = client.Delete(ctx, doc.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", describe(doc), err)
		}
	}
	return nil
}

// decode splits a YAML text into its objects, namespaces first.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	var docs []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, &u.Object); err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		if len(u.Object) > 0 { // not only comments
			docs = append(docs, u)
		}
	}
	slices.SortStableFunc(docs, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	return docs, nil
}

func rank(u *unstructured.Unstructured) int {
	if u.GetKind() == "Namespace" {
		return 0
	}
	return 1
}

func describe(u *unstructured.Unstructured) string {
	if u.GetNamespace() == "" {
		return u.GetKind() + " " + u.GetName()
	}
	return u.GetKind() + " " + u.GetNamespace() + "/" + u.GetName()
}

// objects finds the API resource of any object.
type objects struct {
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newObjects(config *rest.Config, d discovery.DiscoveryInterface) (*objects, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &objects{dynamic: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))}, nil
}

func (o *objects) apply(ctx context.Context, docs []*unstructured.Unstructured) error {
	for _, doc := range docs {
		client, err := o.client(doc)
		if err != nil {
			return err
		}
		options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
		if _, err := client.Apply(ctx, doc.GetName(), doc, options); err != nil {
			return fmt.Errorf("apply %s: %w", describe(doc), err)
		}
	}
	return nil
}

// client returns the API of an object's kind, in its namespace. The mapper asks the
// server again for a kind that it does not know, such as that of a new CRD.
func (o *objects) client(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	mapping, err := o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", describe(u), err)
	}
	resource := o.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resource, nil
	}
	namespace := u.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return resource.Namespace(namespace), nil
}
