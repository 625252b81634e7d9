package e2e

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// policyBesideWebhook has a webhook add a container after the policy has run, as
// service meshes do. The policy runs again: the container sleeps too, and the rest is
// as it would be had it been there from the start.
func (w *world) policyBesideWebhook() {
	w.apply(`{apiVersion: v1, kind: Namespace, metadata: {name: mesh, labels: {tgsync.io/zero-downtime: enabled}}}`)
	w.injectProxies("mesh")
	w.becomes("mesh", `spec: {containers: [{name: app, image: app}]}`,
		"gates [tgsync.io/targets-ready], 50 s, app: sleep 20, proxy: sleep 20")
}

// injectProxies registers a webhook that adds the container proxy to a namespace's
// pods.
func (w *world) injectProxies(ns string) {
	w.t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { serveProxy(w.t, rw, r) }))
	w.t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	none := registrationv1.SideEffectClassNone
	_, err := w.Clientset().AdmissionregistrationV1().MutatingWebhookConfigurations().Create(w.t.Context(), &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "proxies"},
		Webhooks: []registrationv1.MutatingWebhook{{
			Name:                    "proxies.example.com",
			ClientConfig:            registrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca},
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             &none,
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Create},
				Rule:       registrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// serveProxy answers one admission review.
func serveProxy(t *testing.T, rw http.ResponseWriter, r *http.Request) {
	t.Helper()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	kind := admissionv1.PatchTypeJSONPatch
	review.Response = &admissionv1.AdmissionResponse{
		UID:       review.Request.UID,
		Allowed:   true,
		PatchType: &kind,
		Patch:     []byte(`[{"op": "add", "path": "/spec/containers/-", "value": {"name": "proxy", "image": "proxy"}}]`),
	}
	rw.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(rw).Encode(review); err != nil {
		t.Errorf("answer to the API server: %v", err)
	}
}
