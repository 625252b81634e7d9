package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/test/playground"
)

const isDefaultClass = "ingressclass.kubernetes.io/is-default-class"

// defaultClass applies an Ingress that names no class.
func (d *demonstration) defaultClass(ctx context.Context) error {
	d.command("kubectl annotate ingressclass alb %s=true", isDefaultClass)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, isDefaultClass)
	_, err := d.stack.Clientset().NetworkingV1().IngressClasses().Patch(ctx, "alb", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	d.print("ingressclass.networking.k8s.io/alb annotated")
	if err := d.awaitDefaultClass(ctx); err != nil {
		return err
	}
	if err := d.apply(ctx, "ingress-default-class.yaml", 1); err != nil {
		return err
	}
	if err := d.awaitAddress(ctx, "demo1", "ingress-demo1", "ingress-demo"); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, pathRule("echo0"), pathRule("echo1"), pathRule("echo2"), pathRule("echo3")); err != nil {
		return err
	}
	return d.expect(ctx, echoes("/echo2", "echo2"))
}

// decodeIngress reads the Ingress of a manifest.
func decodeIngress(name string) (*networkingv1.Ingress, error) {
	text, err := playground.Manifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, err
	}
	ingress := &networkingv1.Ingress{}
	return ingress, yaml.UnmarshalStrict(text, ingress)
}

// awaitDefaultClass waits until the API server gives the class to an Ingress that names
// none: it learns of it with a delay.
func (d *demonstration) awaitDefaultClass(ctx context.Context) error {
	return await(ctx, "the default class", func(ctx context.Context) error {
		probe, err := decodeIngress("ingress-default-class.yaml")
		if err != nil {
			return err
		}
		seen, err := d.stack.Clientset().NetworkingV1().Ingresses(probe.Namespace).Create(ctx, probe,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return err
		}
		if seen.Spec.IngressClassName == nil {
			return errors.New("no class was given")
		}
		return nil
	})
}

// ownClass moves the Ingress to a class that somebody made.
func (d *demonstration) ownClass(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-own-class.yaml", 2); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, pathRule("echo0"), pathRule("echo1"), pathRule("echo3")); err != nil {
		return err
	}
	if err := d.awaitAddress(ctx, "demo1", "ingress-demo1", "ingress-demo"); err != nil {
		return err
	}
	if err := d.expect(ctx, echoes("/echo3", "echo3")); err != nil {
		return err
	}
	return d.expect(ctx, expectation{path: "/echo2", status: http.StatusNotFound})
}
