'use client'

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { Tooltip } from 'radix-ui'
import { type ReactNode, useState } from 'react'
import { Toaster } from 'sonner'
import { LiveProvider } from '@/components/live/LiveProvider'
import { UploadProvider } from '@/components/upload/UploadProvider'
import { ApiError } from '@/lib/api'

/** What is read stays current by the change feed, so time alone makes nothing old. */
function newClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: Infinity,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        refetchOnMount: 'always',
        retry: (failures, error) => !isFinal(error) && failures < 3,
      },
    },
  })
}

function isFinal(error: Error): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500
}

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(newClient)
  return (
    <QueryClientProvider client={client}>
      <LiveProvider>
        <Tooltip.Provider delayDuration={250}>
          <UploadProvider>{children}</UploadProvider>
          <Toaster theme="dark" position="bottom-left" offset={{ bottom: 44, left: 12 }} duration={7000} />
        </Tooltip.Provider>
      </LiveProvider>
    </QueryClientProvider>
  )
}
