package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The files below -dir that more than one server reads.
func serviceAccountKeyFile(dir string) string { return filepath.Join(dir, "sa.key") }
func tokenFile(dir string) string             { return filepath.Join(dir, "tokens.csv") }
func kubeconfigFile(dir string) string        { return filepath.Join(dir, "admin.kubeconfig") }
func readyFile(dir string) string             { return filepath.Join(dir, "ready") }

// caFile is the certificate that kube-apiserver signs for itself.
func caFile(dir string) string { return filepath.Join(dir, "certs", "apiserver.crt") }

// writeCredentials writes the key that signs service account tokens and a token for
// the administrator, which it returns. What an earlier start wrote stays: clients
// outlive a restart.
func writeCredentials(dir string) (adminToken string, err error) {
	if _, err := os.Stat(serviceAccountKeyFile(dir)); errors.Is(err, fs.ErrNotExist) {
		if err := writeServiceAccountKey(dir); err != nil {
			return "", err
		}
	}
	line, err := os.ReadFile(tokenFile(dir))
	if adminToken, _, ok := strings.Cut(string(line), ","); err == nil && ok {
		return adminToken, nil
	}
	adminToken = rand.Text()
	line = []byte(adminToken + `,admin,admin,"system:masters"` + "\n")
	if err := os.WriteFile(tokenFile(dir), line, 0o600); err != nil {
		return "", fmt.Errorf("write the token file: %w", err)
	}
	return adminToken, nil
}

func writeServiceAccountKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate the service account key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the service account key: %w", err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(serviceAccountKeyFile(dir), block, 0o600); err != nil {
		return fmt.Errorf("write the service account key: %w", err)
	}
	return nil
}

// writeKubeconfig writes the administrator's kubeconfig for the server.
func writeKubeconfig(dir, server, token string) error {
	ca, err := os.ReadFile(caFile(dir))
	if err != nil {
		return fmt.Errorf("read the server's certificate: %w", err)
	}
	const name = "controlplane"
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	cfg.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: token}
	cfg.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: "admin"}
	cfg.CurrentContext = name
	if err := clientcmd.WriteToFile(*cfg, kubeconfigFile(dir)); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
